/**
 * Messages in frames. On the wire a channel is a sequence of `u32 length, bytes`; what one turn of the event loop sends
 * is one frame, and a message that does not fit goes on in the next. Bytes are copied once when sent, into a slab that
 * frames are cut from, so that a sender may use its buffer again; when received they are views of the frame, except
 * for a message in pieces.
 */
import { frameBytesMax } from './transport-limits.ts';

/** Bytes that say how long a message is. */
export const lengthBytes = 4;

/** Above this a message gets a buffer of its own, so that it is not moved when a slab ends. */
const largeBytes = 64 * 1024;

export class FrameWriter {
  #slab = Buffer.alloc(0);
  /** The open frame is `#slab` from here … */
  #start = 0;
  /** … to here. */
  #end = 0;
  #closed: Buffer[] = [];

  add(bytes: Uint8Array): void {
    const needed = lengthBytes + bytes.length;
    if (needed > largeBytes) {
      this.#addLarge(bytes, needed);
      return;
    }
    if (this.#end - this.#start + needed > frameBytesMax) this.#closeFrame();
    if (this.#end + needed > this.#slab.length) this.#renewSlab();
    this.#slab.writeUInt32BE(bytes.length, this.#end);
    this.#slab.set(bytes, this.#end + lengthBytes);
    this.#end += needed;
  }

  /** The frames of this turn, in order. They stay as they are. */
  take(): readonly Buffer[] {
    this.#closeFrame();
    const frames = this.#closed;
    this.#closed = [];
    return frames;
  }

  #addLarge(bytes: Uint8Array, needed: number): void {
    this.#closeFrame();
    const whole = Buffer.allocUnsafeSlow(needed);
    whole.writeUInt32BE(bytes.length, 0);
    whole.set(bytes, lengthBytes);
    for (let at = 0; at < needed; at += frameBytesMax) this.#closed.push(whole.subarray(at, at + frameBytesMax));
  }

  #closeFrame(): void {
    if (this.#start === this.#end) return;
    this.#closed.push(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #renewSlab(): void {
    const slab = Buffer.allocUnsafeSlow(frameBytesMax);
    const open = this.#slab.copy(slab, 0, this.#start, this.#end);
    this.#slab = slab;
    this.#start = 0;
    this.#end = open;
  }
}

export class FrameReader {
  readonly #messageBytesMax: number;
  /** A message of which more is to come, and how much of it is here. */
  #partial: Buffer | undefined;
  #partialLength = 0;
  /** The first bytes of a length that was cut in two. */
  #head = Buffer.alloc(0);

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /**
   * @param deliver answers whether to go on
   * @returns false if these are not frames: nothing of the channel can be understood from here on
   */
  read(frame: Buffer, deliver: (message: Buffer) => boolean): boolean {
    let at = 0;
    if (this.#partial) {
      at = frame.copy(this.#partial, this.#partialLength);
      this.#partialLength += at;
      if (this.#partialLength < this.#partial.length) return true;
      const whole = this.#partial;
      this.#partial = undefined;
      if (!deliver(whole)) return true;
    }
    let bytes = frame;
    if (this.#head.length > 0) {
      bytes = Buffer.concat([this.#head, frame.subarray(at)]);
      this.#head = Buffer.alloc(0);
      at = 0;
    }
    while (at + lengthBytes <= bytes.length) {
      const length = bytes.readUInt32BE(at);
      if (length === 0 || length > this.#messageBytesMax) return false;
      at += lengthBytes;
      if (at + length > bytes.length) {
        this.#partial = Buffer.allocUnsafeSlow(length);
        this.#partialLength = bytes.copy(this.#partial, 0, at);
        return true;
      }
      const message = bytes.subarray(at, at + length);
      at += length;
      if (!deliver(message)) return true;
    }
    if (at < bytes.length) this.#head = Buffer.from(bytes.subarray(at));
    return true;
  }
}
