/** An edge over a fake gateway, on a free port, closed after the test. */
import { afterEach } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { type HttpEdge, type HttpOptions, startHttp } from '../../src/http/edge.ts';
import { FakeGateway } from './fake-gateway.ts';

export const realClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  defer: (task) => void setImmediate(task),
};

const open: HttpEdge[] = [];

afterEach(async () => {
  for (const edge of open.splice(0)) await edge.close(0);
});

export async function startEdge(
  options: Partial<HttpOptions> = {},
): Promise<{ edge: HttpEdge; gateway: FakeGateway; url: string }> {
  const gateway = (options.gateway as FakeGateway | undefined) ?? new FakeGateway();
  const edge = await startHttp({ host: '127.0.0.1', port: 0, log: silentLog, clock: realClock, ...options, gateway });
  open.push(edge);
  return { edge, gateway, url: edge.url };
}

/** A command over HTTP. */
export function post(
  url: string,
  path: string,
  input?: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  const body = input === undefined ? null : JSON.stringify(input);
  return fetch(`${url}/v1/actors/${path}`, {
    method: 'POST',
    body,
    headers: body === null ? headers : { 'Content-Type': 'application/json', ...headers },
  });
}
