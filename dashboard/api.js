/** The node's HTTP interface, as this page uses it. */
import { byId } from './dom.js';

const tokenKey = 'greenroom.token';

/** An answer that is no success: the problem body, or what stands for it. */
export class Problem extends Error {
  constructor(body) {
    super(body.detail);
    this.body = body;
  }
}

let asking;

/** Asks for a token, once for all requests that wait for it. */
function askForToken() {
  asking ??= new Promise((resolve) => {
    const dialog = byId('token-dialog');
    const field = byId('token');
    field.value = '';
    dialog.addEventListener(
      'close',
      () => {
        sessionStorage.setItem(tokenKey, field.value.trim());
        asking = undefined;
        resolve();
      },
      { once: true },
    );
    dialog.showModal();
    field.focus();
  });
  return asking;
}

/** `fetch` with the token; asks for one where it is needed. */
async function send(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(tokenKey);
    const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    const response = await fetch(path, { ...options, headers, cache: 'no-store' });
    if (response.status !== 401) return response;
    if (token === sessionStorage.getItem(tokenKey)) await askForToken();
  }
}

async function problemOf(response) {
  const text = await response.text();
  try {
    return new Problem(JSON.parse(text));
  } catch {
    return new Problem({
      status: response.status,
      code: `HTTP ${response.status}`,
      detail: text || response.statusText,
    });
  }
}

export async function getJson(path) {
  const response = await send(path);
  if (!response.ok) throw await problemOf(response);
  return response.json();
}

export async function getText(path) {
  const response = await send(path);
  if (!response.ok) throw await problemOf(response);
  return response.text();
}

/** A request without a body whose answer has none. */
export async function act(method, path) {
  const response = await send(path, { method });
  if (!response.ok) throw await problemOf(response);
}

export function actorPath(type, id) {
  return `/v1/actors/${encodeURIComponent(type)}/${encodeURIComponent(id)}`;
}

/** Runs a command. @param {string} input JSON text, or nothing @returns what the form shows */
export async function runCommand(type, id, command, input, key) {
  const headers = {
    ...(input === '' ? {} : { 'Content-Type': 'application/json' }),
    ...(key === '' ? {} : { 'Idempotency-Key': key }),
  };
  const beganMs = performance.now();
  const response = await send(`${actorPath(type, id)}/${encodeURIComponent(command)}`, {
    method: 'POST',
    headers,
    body: input === '' ? undefined : input,
  });
  const text = await response.text();
  return {
    status: response.status,
    tookMs: performance.now() - beganMs,
    body: text === '' ? undefined : JSON.parse(text),
    key: response.headers.get('Idempotency-Key'),
    isReplay: response.headers.get('Idempotent-Replayed') === 'true',
    woke: response.headers.get('Greenroom-Woke'),
  };
}

/** Follows an actor's events, through broken connections, until `signal` aborts. */
export async function followEvents(type, id, after, signal, take) {
  let seen = after;
  while (!signal.aborted) {
    try {
      const response = await send(`${actorPath(type, id)}/-/events?after=${seen}`, {
        headers: { Accept: 'text/event-stream' },
        signal,
      });
      if (response.status === 404) return;
      if (!response.ok) throw await problemOf(response);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        text += value;
        const frames = text.split('\n\n');
        text = frames.pop();
        const events = frames
          .filter((frame) => frame.startsWith('id:'))
          .map((frame) => JSON.parse(frame.slice(frame.indexOf('\ndata: ') + 7)));
        if (events.length === 0) continue;
        seen = events.at(-1).sequenceNumber;
        take(events);
      }
    } catch {
      if (signal.aborted) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}
