/**
 * Talking to a running node over its HTTP interface, as the command line does: one request, its answer or its
 * problem. What a failed connection means depends on whether the request can have arrived: a refused connection is
 * "not executed" for certain, a broken one is not.
 */
import { CommandLineError, exitCodeOf, exitCodes, type Problem, wrongUsage } from './exit-codes.ts';
import { printable } from './terminal.ts';

/** How long a node may take to accept a connection and begin to answer a question about itself. */
export const answerTimeoutMs = 30_000;
/** What the caller's own deadline is given on top of the node's, so that the node's answer is the one that counts. */
export const answerMarginMs = 2_000;

/** Codes of failures before a byte of the request left. */
const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EACCES',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Codes of a server that could not prove who it is, or speaks no TLS: the request was not sent, and will not be. */
const untrusted: ReadonlyMap<string, string> = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is signed by nobody known here'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'its certificate is signed by nobody known here'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'its certificate is signed by nobody known here'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'its certificate is signed by nobody known here'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'its certificate is signed by nobody known here'],
  ['CERT_SIGNATURE_FAILURE', 'its certificate is signed by nobody known here'],
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for other names'],
]);

/** A connection that broke, or an answer that did not come: the request may or may not have been executed. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body as JSON; undefined if it is empty. */
  readonly body: unknown;
}

export interface RequestOptions {
  /** The body, as JSON text. */
  readonly json?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

export class NodeApi {
  readonly url: string;
  readonly #token: string | undefined;
  readonly #fetchFunction: typeof fetch;

  /** @param url without a trailing slash */
  constructor(url: string, token: string | undefined, fetchFunction: typeof fetch = fetch) {
    this.url = url;
    this.#token = token;
    this.#fetchFunction = fetchFunction;
  }

  /** Another node, asked with the same token. */
  at(url: string): NodeApi {
    return new NodeApi(url.replace(/\/+$/, ''), this.#token, this.#fetchFunction);
  }

  /** A question that may be asked again. @throws CommandLineError */
  async get<T>(path: string, options: Pick<RequestOptions, 'timeoutMs'> = {}): Promise<T> {
    return (await this.#settle('GET', path, options)).body as T;
  }

  /** @throws CommandLineError, exit code 4 if it may or may not have been done */
  async change(method: 'POST' | 'DELETE', path: string, options: RequestOptions = {}): Promise<Answer> {
    return this.#settle(method, path, options);
  }

  /**
   * One request and its answer, which is a success.
   *
   * @throws CommandLineError if the node refused, failed, or was not reached
   * @throws ConnectionLost if it is not known whether the request arrived
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const response = await this.#fetch(
      method,
      path,
      options,
      AbortSignal.timeout(options.timeoutMs ?? answerTimeoutMs),
    );
    let text: string;
    try {
      text = await response.text();
    } catch (error) {
      throw new ConnectionLost(reasonOf(error));
    }
    if (!response.ok) throw this.#refusal(response, text);
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : this.#parse(text) };
  }

  /**
   * An event stream's body.
   *
   * @throws CommandLineError, ConnectionLost as {@link request}
   */
  async stream(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#fetch('GET', path, { headers: { Accept: 'text/event-stream', ...headers } }, signal);
    if (!response.ok) throw this.#refusal(response, await response.text());
    if (response.body === null) throw new ConnectionLost('the answer has no body');
    return response.body;
  }

  /**
   * A long answer that is no JSON, in pieces; ends with an error if nothing comes for {@link answerTimeoutMs}.
   *
   * @param type the media type it must have
   * @param abort ends it, also from outside
   * @throws CommandLineError
   */
  async download(path: string, type: string, abort: AbortController): Promise<AsyncIterable<Uint8Array>> {
    const stopped = (error: unknown) =>
      new CommandLineError(exitCodes.unavailable, `${this.url} stopped answering: ${reasonOf(error)}`, {
        cause: error,
      });
    const patience = () => setTimeout(() => abort.abort(new DOMException('', 'TimeoutError')), answerTimeoutMs);
    const timer = patience();
    try {
      const response = await this.#fetch('POST', path, { headers: { Accept: type } }, abort.signal);
      if (!response.ok) throw this.#refusal(response, await response.text());
      if (response.body === null || response.headers.get('Content-Type') !== type)
        throw new CommandLineError(exitCodes.refused, `${this.url} did not answer as a Greenroom node of this version`);
      return pieces(response.body, patience, stopped);
    } catch (error) {
      throw error instanceof ConnectionLost ? stopped(error) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #settle(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    try {
      return await this.request(method, path, options);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      if (method === 'GET') {
        throw new CommandLineError(exitCodes.unavailable, `${this.url} stopped answering: ${error.message}`, {
          hint: 'try again; `greenroom status` says how the node is',
        });
      }
      throw new CommandLineError(
        exitCodes.outcomeUnknown,
        `${this.url} stopped answering (${error.message}), so it is not known whether this was done`,
        { hint: 'it is safe to do it again' },
      );
    }
  }

  async #fetch(method: string, path: string, options: RequestOptions, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { Accept: 'application/json', ...options.headers };
    if (this.#token !== undefined) headers.Authorization = `Bearer ${this.#token}`;
    if (options.json !== undefined) headers['Content-Type'] = 'application/json';
    try {
      return await this.#fetchFunction(`${this.url}${path}`, {
        method,
        headers,
        body: options.json ?? null,
        signal,
        redirect: 'error',
      });
    } catch (error) {
      const code = codeOf(error);
      if (((error as Error).cause as Error | undefined)?.message === 'bad port') {
        throw wrongUsage(
          `${this.url}: this port is one that web clients refuse to call`,
          'browsers refuse it, too: serve HTTP on another one',
        );
      }
      if (code !== undefined && neverSent.has(code)) throw this.#unreachable(code);
      const distrust = this.#distrust(error, code);
      if (distrust) throw distrust;
      if (code === 'UND_ERR_SOCKET' && this.url.startsWith('http:')) {
        throw new ConnectionLost('it closed the connection; if it has TLS, its address begins with https://');
      }
      throw new ConnectionLost(reasonOf(error));
    }
  }

  /** The error for a node that could not prove who it is; undefined if this is something else. */
  #distrust(error: unknown, code: string | undefined): CommandLineError | undefined {
    const why = code === undefined ? undefined : untrusted.get(code);
    if (why !== undefined) {
      const isUnknown = why.endsWith('known here');
      return new CommandLineError(exitCodes.refused, `${this.url} is not trusted: ${why} (${code})`, {
        hint: isUnknown ? 'give who signed it with --ca or GREENROOM_CA' : undefined,
        cause: error,
      });
    }
    const { cause } = error as { cause?: { message?: string } };
    if (/wrong version number|packet length too long/i.test(cause?.message ?? '')) {
      return wrongUsage(`${this.url}: there is no TLS at this address`, 'try http:// instead of https://');
    }
    return undefined;
  }

  #unreachable(code: string): CommandLineError {
    const { hostname, port } = new URL(this.url);
    const isLocal = /^(localhost|127\.|\[::1\])/.test(hostname);
    const start = `greenroom start actors.ts${port === '8400' || port === '' ? '' : ` --http-port ${port}`}`;
    return new CommandLineError(exitCodes.unavailable, `no node answers at ${this.url} (${code})`, {
      hint: isLocal
        ? `start one with \`${start}\`, or give --url or GREENROOM_URL`
        : 'check the address (--url or GREENROOM_URL), and that the node runs',
    });
  }

  #refusal(response: Response, text: string): CommandLineError {
    const problem = this.#problem(response, text);
    const retryAfter = response.headers.get('Retry-After');
    return new CommandLineError(exitCodeOf(problem.code), describeProblem(problem), {
      problem,
      hint: hintFor(problem, retryAfter),
    });
  }

  #problem(response: Response, text: string): Problem {
    try {
      const value = JSON.parse(text) as Problem;
      if (typeof value.code === 'string' && typeof value.detail === 'string') return value;
    } catch {}
    throw new CommandLineError(
      response.status >= 500 ? exitCodes.unavailable : exitCodes.refused,
      `${this.url} answered ${response.status} ${response.statusText}, and not as a Greenroom node does`,
      { hint: 'check --url: it is the address in the ready line after "http="' },
    );
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      throw new CommandLineError(exitCodes.refused, `${this.url} answered something that is not JSON`, {
        hint: 'check --url: it is the address in the ready line after "http="',
      });
    }
  }
}

/** @param patience starts the time that the next piece may take */
async function* pieces(
  body: ReadableStream<Uint8Array>,
  patience: () => NodeJS.Timeout,
  stopped: (error: unknown) => CommandLineError,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const timer = patience();
      const piece = await reader
        .read()
        .catch((error) => {
          throw stopped(error);
        })
        .finally(() => clearTimeout(timer));
      if (piece.done) return;
      yield piece.value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** `/v1/actors/{Type}/{id}`, with each part as one percent-encoded segment. */
export function actorPath(type: string, id: string, ...rest: readonly string[]): string {
  return ['/v1/actors', encodeURIComponent(type), encodeURIComponent(id), ...rest].join('/');
}

function describeProblem(problem: Problem): string {
  const { rejection, issues } = problem;
  const lines = [printable(problem.detail)];
  if (rejection !== undefined) {
    lines[0] = `rejected: ${printable(rejection.code)}: ${lines[0]}`;
    if (rejection.details !== undefined) lines.push(`details: ${printable(JSON.stringify(rejection.details))}`);
  } else {
    lines[0] = `${lines[0]} (${printable(problem.code)})`;
  }
  for (const { path, message } of issues ?? [])
    lines.push(`  ${printable(path) || 'the input'}: ${printable(message)}`);
  return lines.join('\n');
}

function hintFor(problem: Problem, retryAfter: string | null): string | undefined {
  switch (problem.code) {
    case 'UNAUTHENTICATED':
      return 'give a token with --token or GREENROOM_TOKEN';
    case 'QUARANTINED':
      return '`greenroom inspect` says why; mend the cause, then lift it with `greenroom resume`';
    case 'OUTCOME_UNKNOWN':
      return problem.idempotencyKey === undefined
        ? undefined
        : `learn the outcome without a second effect: the same call with --key '${printable(problem.idempotencyKey)}'`;
    case 'OVERLOADED':
    case 'UNAVAILABLE':
      return retryAfter === null
        ? 'nothing was executed; try again'
        : `nothing was executed; try again in ${retryAfter} s`;
    default:
      return undefined;
  }
}

/** The system's code in the chain of causes of what `fetch` throws. */
function codeOf(error: unknown): string | undefined {
  for (let at = error as { code?: unknown; cause?: unknown; errors?: unknown[] } | undefined; at; ) {
    if (typeof at.code === 'string') return at.code;
    at = (at.cause ?? at.errors?.[0]) as typeof at;
  }
  return undefined;
}

function reasonOf(error: unknown): string {
  if ((error as Error).name === 'TimeoutError') return 'no answer in time';
  return codeOf(error) ?? ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message;
}
