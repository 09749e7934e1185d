/**
 * High-water marks: the newest tell of each sender that this actor has recorded. Tells of one sender arrive in order,
 * so one number per sender tells a repeated delivery from a new one.
 */
import type { TellMark } from '../persistence/codec.ts';
import { tellMarksMax } from './limits.ts';

export class TellMarks {
  /** Least recently advanced first. */
  #marks: Map<string, TellMark> | undefined;

  /** Whether this tell, or a later one of its sender, was recorded. */
  covers(mark: TellMark): boolean {
    const known = this.#marks?.get(keyOf(mark));
    return known !== undefined && known.number >= mark.number;
  }

  advance(mark: TellMark): void {
    this.#marks ??= new Map();
    const key = keyOf(mark);
    this.#marks.delete(key);
    this.#marks.set(key, mark);
    if (this.#marks.size <= tellMarksMax) return;
    for (const oldest of this.#marks.keys()) {
      this.#marks.delete(oldest);
      return;
    }
  }

  all(): readonly TellMark[] {
    return this.#marks ? [...this.#marks.values()] : [];
  }
}

function keyOf(mark: TellMark): string {
  return `${mark.senderType}/${mark.senderId}`;
}
