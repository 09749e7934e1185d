/** Reads that change nothing: asked again, of the next node, until they are answered or their time ends. */
import { GreenroomError } from '../core/errors.ts';
import { readRefusal } from './answer.ts';
import type { EndSignal } from './closing.ts';
import { backoffMs, type Environment, pause } from './environment.ts';
import { backoffMaxMs, backoffMinMs } from './limits.ts';
import type { NodeAddresses } from './node-addresses.ts';

export class Reader {
  readonly #environment: Environment;
  readonly #addresses: NodeAddresses;
  readonly #token: string | undefined;
  readonly #closing: EndSignal;

  constructor(environment: Environment, addresses: NodeAddresses, token: string | undefined, closing: EndSignal) {
    this.#environment = environment;
    this.#addresses = addresses;
    this.#token = token;
    this.#closing = closing;
  }

  /** The JSON at a path. @throws GreenroomError: the node's own, or the last reason why none answered */
  async read(path: string, timeoutMs: number): Promise<unknown> {
    const deadlineMs = this.#environment.nowMs() + timeoutMs;
    let lastError = new GreenroomError('UNAVAILABLE', 'the client is closed');
    for (let failures = 1; !this.#closing.aborted; failures++) {
      const url = this.#addresses.current;
      const outcome = await this.#ask(url, path, deadlineMs - this.#environment.nowMs());
      if ('value' in outcome) return outcome.value;
      lastError = outcome.error;
      if (!lastError.retryable) throw lastError;
      this.#addresses.leave(url);
      const waitMs = backoffMs(this.#environment, failures, backoffMinMs, backoffMaxMs);
      if (this.#environment.nowMs() + waitMs >= deadlineMs) break;
      await pause(this.#environment, waitMs, this.#closing);
    }
    throw lastError;
  }

  async #ask(url: string, path: string, remainingMs: number): Promise<{ value: unknown } | { error: GreenroomError }> {
    const abort = new AbortController();
    const stop = () => abort.abort();
    const stopTimer = this.#environment.schedule(remainingMs, stop);
    this.#closing.addEventListener('abort', stop);
    try {
      const response = await this.#environment.fetch(`${url}${path}`, {
        headers: this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` },
        signal: abort.signal,
      });
      if (response.ok) return { value: await response.json() };
      const { error } = await readRefusal(response);
      return { error: error instanceof GreenroomError ? error : new GreenroomError('UNAVAILABLE', error.message) };
    } catch (cause) {
      return { error: new GreenroomError('UNAVAILABLE', `${url} did not answer`, { cause }) };
    } finally {
      stopTimer();
      this.#closing.removeEventListener('abort', stop);
    }
  }
}
