/** The nodes a client may ask: one at a time, the next when one does not answer. */
import { GreenroomError } from '../core/errors.ts';

export class NodeAddresses {
  readonly #urls: readonly string[];
  #index = 0;

  /** @throws GreenroomError `BAD_REQUEST` for what is no http or https address */
  constructor(urls: readonly string[]) {
    if (urls.length === 0) throw new GreenroomError('BAD_REQUEST', 'connect needs the address of a node');
    this.#urls = urls.map(parse);
  }

  /** Without a slash at the end. */
  get current(): string {
    return this.#urls[this.#index]!;
  }

  /** Go on with the next, unless another call already did. */
  leave(url: string): void {
    if (url === this.current) this.#index = (this.#index + 1) % this.#urls.length;
  }
}

function parse(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new GreenroomError('BAD_REQUEST', `'${text}' is not an address like http://127.0.0.1:8400`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}
