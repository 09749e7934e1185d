/**
 * What a leader knows of one follower's log, and how much it may send it now.
 *
 * Three modes, as in etcd: `probe` looks for the place where the logs agree, one append per heartbeat; `replicate` sends
 * ahead of the answers, a bounded number of appends; `snapshot` waits until the snapshot that was sent is answered.
 * A lost append is noticed by the next one, whose previous entry the follower does not have.
 *
 * Invariant: match < next.
 */
export type ProgressMode = 'probe' | 'replicate' | 'snapshot';

export class FollowerProgress {
  mode: ProgressMode = 'probe';
  /** The follower's log is durably ours up to here. */
  match = 0;
  /** Where the next append begins. */
  next: number;
  /** What the newest append said is committed, as far as the follower could use it. */
  toldCommit = 0;
  /** When it was last heard of. */
  heardMs: number;
  /** When anything was last sent to it. */
  sentMs = Number.NEGATIVE_INFINITY;
  /** A probe or a snapshot is on its way: what comes next goes with the next heartbeat. */
  isProbing = false;
  snapshotSentMs = 0;
  #snapshotIndex = 0;
  /** Last index of each append on its way. */
  #inFlight: number[] = [];

  constructor(next: number, nowMs: number) {
    this.next = next;
    this.heardMs = nowMs;
  }

  maySendEntries(inFlightMax: number): boolean {
    if (this.mode === 'probe') return !this.isProbing;
    return this.mode === 'replicate' && this.#inFlight.length < inFlightMax;
  }

  sent(lastIndex: number): void {
    if (this.mode === 'probe') this.isProbing = true;
    else if (lastIndex >= this.next) {
      this.next = lastIndex + 1;
      this.#inFlight.push(lastIndex);
    }
  }

  sentSnapshot(index: number, nowMs: number): void {
    this.mode = 'snapshot';
    this.isProbing = true;
    this.#snapshotIndex = index;
    this.snapshotSentMs = nowMs;
    this.#inFlight = [];
  }

  /** @returns whether it is news */
  appended(match: number): boolean {
    const isNews = match > this.match;
    this.match = Math.max(this.match, match);
    this.next = Math.max(this.next, this.match + 1);
    this.#inFlight = this.#inFlight.filter((index) => index > this.match);
    if (this.mode === 'probe' || (this.mode === 'snapshot' && this.match >= this.#snapshotIndex)) {
      this.mode = 'replicate';
      this.isProbing = false;
      this.next = this.match + 1;
    }
    return isNews;
  }

  /** @param mayAgree what the two logs may have in common @returns whether it says anything: it may be a late one */
  refused(previous: number, mayAgree: number): boolean {
    if (this.mode === 'snapshot' || previous <= this.match) return false;
    if (this.mode === 'probe' && previous !== this.next - 1) return false;
    this.next = this.mode === 'replicate' ? this.match + 1 : Math.max(this.match + 1, Math.min(previous, mayAgree + 1));
    this.becomeProbe();
    return true;
  }

  /** What was on its way is lost, or may be. */
  becomeProbe(): void {
    if (this.mode !== 'probe') this.next = this.match + 1;
    this.mode = 'probe';
    this.isProbing = false;
    this.#inFlight = [];
  }
}
