/** Server-sent events (the HTML standard, section 9.2.6), as far as a node sends them: `event` and `data` lines. */
import { GreenroomError } from '../core/errors.ts';
import { eventLengthMax } from './limits.ts';

export interface SseMessage {
  readonly event: string;
  readonly data: string;
}

export class SseParser {
  readonly #decoder = new TextDecoder();
  /** The beginning of a line whose end has not come yet, in parts: joining them each time would be quadratic. */
  #parts: string[] = [];
  #length = 0;
  #event = '';
  #data: string[] = [];

  /** The messages that `bytes` complete. @throws GreenroomError `TOO_LARGE` */
  *push(bytes: Uint8Array): Generator<SseMessage> {
    const text = this.#decoder.decode(bytes, { stream: true });
    let begin = 0;
    for (;;) {
      const end = text.indexOf('\n', begin);
      if (end < 0) break;
      const line = this.#parts.join('') + text.slice(begin, end);
      this.#parts = [];
      begin = end + 1;
      const message = this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (message) yield message;
    }
    if (begin < text.length) this.#keep(text.slice(begin));
  }

  #keep(part: string): void {
    this.#length += part.length;
    if (this.#length > eventLengthMax) throw new GreenroomError('TOO_LARGE', 'an event on the stream is too large');
    this.#parts.push(part);
  }

  #line(line: string): SseMessage | undefined {
    if (line === '') {
      const message = this.#data.length === 0 ? undefined : { event: this.#event, data: this.#data.join('\n') };
      this.#event = '';
      this.#data = [];
      this.#length = 0;
      return message;
    }
    const colon = line.indexOf(':');
    if (colon <= 0) return undefined;
    const value = line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    const field = line.slice(0, colon);
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    return undefined;
  }
}
