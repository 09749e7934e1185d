/**
 * What this node has proposed and not yet seen committed. A proposal is made again, under its id, until it is seen in
 * the log or its time is up; then whether it was committed is unknown, and proposing it again with the id is safe.
 */
import { GreenroomError } from '../../core/errors.ts';

/** Proposals of one node under way. Beyond: `OVERLOADED`. */
export const pendingProposalsMax = 1_024;

interface Pending<Change> {
  readonly id: string;
  readonly change: Change;
  readonly deadlineMs: number;
  tryAgainAtMs: number;
  readonly resolve: (index: number) => void;
  readonly reject: (error: Error) => void;
}

export class PendingProposals<Change> {
  readonly #byId = new Map<string, Pending<Change>>();

  get isEmpty(): boolean {
    return this.#byId.size === 0;
  }

  /** @returns the index at which it was committed. @throws GreenroomError `OVERLOADED`, `OUTCOME_UNKNOWN` */
  add(id: string, change: Change, nowMs: number, timeoutMs: number): Promise<number> {
    if (this.#byId.size >= pendingProposalsMax)
      return Promise.reject(new GreenroomError('OVERLOADED', 'too many changes of the cluster are under way'));
    return new Promise((resolve, reject) => {
      this.#byId.get(id)?.reject(new GreenroomError('OUTCOME_UNKNOWN', `proposed again meanwhile: ${id}`));
      this.#byId.set(id, { id, change, deadlineMs: nowMs + timeoutMs, tryAgainAtMs: nowMs, resolve, reject });
    });
  }

  committed(id: string, index: number): void {
    this.#byId.get(id)?.resolve(index);
    this.#byId.delete(id);
  }

  /** Those committed without having been told one by one. */
  settle(committedIndexOf: (id: string) => number | undefined): void {
    for (const id of [...this.#byId.keys()]) {
      const index = committedIndexOf(id);
      if (index !== undefined) this.committed(id, index);
    }
  }

  /** Who leads has changed: all are tried again at once. */
  hurry(): void {
    for (const pending of this.#byId.values()) pending.tryAgainAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Ends those whose time is up. @returns those to be proposed now, oldest first */
  due(nowMs: number, retryMs: number): readonly { readonly id: string; readonly change: Change }[] {
    const due: Pending<Change>[] = [];
    for (const pending of this.#byId.values()) {
      if (nowMs >= pending.deadlineMs) {
        this.#byId.delete(pending.id);
        pending.reject(
          new GreenroomError('OUTCOME_UNKNOWN', 'the change of the cluster was not seen committed in time'),
        );
      } else if (nowMs >= pending.tryAgainAtMs) {
        pending.tryAgainAtMs = nowMs + retryMs;
        due.push(pending);
      }
    }
    return due;
  }

  close(): void {
    for (const { reject } of this.#byId.values())
      reject(new GreenroomError('OUTCOME_UNKNOWN', 'the node stops; whether the change was committed is not known'));
    this.#byId.clear();
  }
}
