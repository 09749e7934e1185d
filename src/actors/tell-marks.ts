/**
 * High-water marks: the newest tell of each sender that this actor has recorded. Tells of one sender arrive in order,
 * so one number per sender tells a repeated delivery from a new one.
 */
import type { HighWaterMark, TellMark } from '../persistence/codec.ts';
import { tellMarksMax } from './limits.ts';

export class TellMarks {
  /** Least recently advanced first. */
  #marks: Map<string, HighWaterMark> | undefined;

  /** Whether this tell, or a later one of its sender, was recorded. */
  covers(mark: TellMark): boolean {
    const known = this.#marks?.get(senderOf(mark));
    return known !== undefined && known.number >= mark.number;
  }

  /** Whether what was recorded of a tell that is covered may be its refusal. */
  mayHaveRefused(mark: TellMark): boolean {
    const known = this.#marks?.get(senderOf(mark));
    return known !== undefined && mark.number <= (known.refused ?? known.number);
  }

  advance({ senderType, senderId, number }: TellMark, isRefused: boolean): void {
    const mark = { senderType, senderId, number };
    const before = this.#marks?.get(senderOf(mark));
    // What came before is not known of a sender that was forgotten, nor from a snapshot of a version that did not count.
    const refused = isRefused ? number : before ? (before.refused ?? before.number) : number - 1;
    this.restore({ ...mark, refused });
  }

  /** As a snapshot has it. */
  restore(mark: HighWaterMark): void {
    this.#marks ??= new Map();
    const key = senderOf(mark);
    this.#marks.delete(key);
    this.#marks.set(key, mark);
    if (this.#marks.size <= tellMarksMax) return;
    for (const oldest of this.#marks.keys()) {
      this.#marks.delete(oldest);
      return;
    }
  }

  all(): readonly HighWaterMark[] {
    return this.#marks ? [...this.#marks.values()] : [];
  }
}

/** `type/id` */
export function senderOf({ senderType, senderId }: TellMark): string {
  return `${senderType}/${senderId}`;
}
