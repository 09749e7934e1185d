/**
 * A transport whose node speaks to nobody before its peers have said that its disk is not an old copy of itself. Such a copy
 * opens like any other, and has forgotten promises, votes and records of which others were told: it must not take part.
 *
 *     start ── asks every peer it knows ──▶ all answered, or time is over ──▶ links and messages are passed on
 *                        └── one has seen more of this store than it holds ──▶ `STORE_OUTDATED`, nothing was said
 *
 * Every node tells its peers the number of its newest synced batch; they remember it (witness.ts), answer with it when the store
 * starts anew, and hear nothing of one that comes back below it.
 *
 * What this cannot see: what was told within the last {@link tellEveryMs} before the disk was put back, and what was told only
 * to peers that are out of reach while the store starts, or that have forgotten it ({@link keepEveryMs}).
 *
 * Invariant: a store tells no batch number before the mark of its unfinished start is off its disk. So its number at opening,
 * or the one in the mark, is at least any that it told in an earlier life, unless it lost what it had synced.
 */
import { assert } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import type { StoreId } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import { type Journal, JournalError } from '../persistence/journal.ts';
import type { Channel, PeerAddress, PeerIdentity, Transport, TransportHandlers } from '../transport/transport.ts';
import { AddressBook } from './membership/address-book.ts';
import { Witness } from './membership/witness.ts';
import type { Mistaken } from './mistakes.ts';

export interface WitnessedOptions {
  /** Open. */
  readonly journal: Journal;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  readonly mistaken: Mistaken;
  /** A peer that was out of reach at the start has seen more: this node may not go on. */
  readonly outdated: (error: JournalError) => void;
}

/** First byte of these messages on the control channel. */
const witnessByte = 0x81;
const standingKind = 1;
const witnessedKind = 2;
const batchKind = 3;
const messageBytes = 10;

/** How often peers are told the newest batch, if it is a newer one. */
export const tellEveryMs = 250;
/** How often what peers have told is put on disk. */
export const keepEveryMs = 2_000;
/** How long a start waits for peers that do not answer, once one has. */
export const answersWithinMs = 2_000;
/** How long it waits if nobody answers at all. */
export const someAnswerWithinMs = 5_000;
/** Events that wait for the end of the start. More: the peer's link is made anew. */
const heldMax = 10_000;

/** On the disk while a start is not finished: the newest batch at its beginning. A start is a batch, and proves nothing. */
const unfinishedRow = 'unwitnessed';

export class WitnessedTransport implements Transport {
  readonly #options: WitnessedOptions;
  readonly #transport: Transport;
  readonly #witness: Witness;
  /** The newest batch on the disk when this life began, or an earlier one whose start was not finished. */
  readonly #found: number;
  readonly #told = new Map<StoreId, number>();
  /** Peers that have answered in this life. */
  readonly #answered = new Set<StoreId>();
  readonly #refused = new Set<StoreId>();
  /** What starting peers are to be told: the way back to them may come up later than theirs. */
  readonly #owed = new Map<StoreId, number>();
  #awaited = new Set<StoreId>();
  #handlers: TransportHandlers | undefined;
  #held: (() => void)[] = [];
  #isPassing = false;
  #isClosed = false;
  #settle: (error?: Error) => void = () => {};
  #keptMs = 0;

  constructor(options: WitnessedOptions) {
    this.#options = options;
    this.#transport = options.transport;
    const { journal } = options;
    this.#witness = new Witness(journal);
    const unfinished = journal.control(unfinishedRow);
    this.#found = unfinished?.length ? Number(unfinished.toString()) : journal.batchAtOpen;
  }

  get address(): string {
    return this.#transport.address;
  }

  /** @throws JournalError `STORE_OUTDATED` if a peer has seen more of this store than it holds */
  async start(handlers: TransportHandlers): Promise<void> {
    this.#handlers = handlers;
    const { journal, clock } = this.#options;
    const { storeId } = journal.identity;
    const peers = new AddressBook(journal).beyond(undefined).filter((peer) => peer.storeId !== storeId);
    this.#awaited = new Set(peers.map((peer) => peer.storeId));
    if (peers.length > 0) await this.#keepMark(String(this.#found));
    const answered = new Promise<void>((resolve, reject) => {
      this.#settle = (error) => (error ? reject(error) : resolve());
    });
    await this.#transport.start(this.#intercepting());
    if (peers.length > 0) {
      this.#transport.setPeers(peers);
      const cancels = [
        clock.schedule(answersWithinMs, () => this.#answered.size > 0 && this.#settle()),
        clock.schedule(someAnswerWithinMs, () => this.#settle()),
      ];
      await answered;
      for (const cancel of cancels) cancel();
      if (this.#isClosed) return;
      await this.#keepMark('');
    }
    this.#isPassing = true;
    // What was held comes after what the node does next, and before anything that arrives later.
    clock.defer(() => {
      for (const pass of this.#held.splice(0)) pass();
    });
    this.#tellSoon();
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#transport.setPeers(peers);
  }

  isUp(to: StoreId): boolean {
    return this.#transport.isUp(to);
  }

  send(to: StoreId, channel: Channel, bytes: Uint8Array): boolean {
    return this.#transport.send(to, channel, bytes);
  }

  bufferedBytes(to: StoreId): number {
    return this.#transport.bufferedBytes(to);
  }

  dismiss(from: StoreId): void {
    this.#transport.dismiss(from);
  }

  reset(to: StoreId): void {
    this.#transport.reset(to);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#settle();
    return this.#transport.close();
  }

  #keepMark(text: string): Promise<void> {
    return new Promise((durable, failed) => {
      this.#options.journal.setControl(unfinishedRow, Buffer.from(text), { durable, failed });
    });
  }

  #intercepting(): TransportHandlers {
    const handlers = () => this.#handlers!;
    return {
      linkUp: (peer) => {
        this.#told.delete(peer.storeId);
        if (!this.#answered.has(peer.storeId)) this.#send(peer.storeId, standingKind, this.#found);
        this.#payOff(peer.storeId);
        this.#pass(peer.storeId, () => handlers().linkUp(peer));
      },
      linkDown: (peer, why) => this.#pass(peer.storeId, () => handlers().linkDown(peer, why)),
      peerArrived: (peer) => this.#pass(peer.storeId, () => handlers().peerArrived(peer)),
      peerLeft: (peer) => this.#pass(peer.storeId, () => handlers().peerLeft(peer)),
      dialFailed: (peer, why) => {
        // Another store has its address, or it knows this one as removed: it will not answer any more.
        if (why === 'wrong store' || why === 'removed') this.#noLongerAwaits(peer.storeId);
        this.#pass(peer.storeId, () => handlers().dialFailed(peer, why));
      },
      message: (from, channel, bytes) => {
        if (channel === 'control' && bytes[0] === witnessByte) this.#receive(from, bytes);
        else if (this.#refused.has(from.storeId)) return;
        else if (this.#isPassing && this.#held.length === 0) handlers().message(from, channel, bytes);
        else {
          const kept = Buffer.from(bytes);
          this.#pass(from.storeId, () => handlers().message(from, channel, kept));
        }
      },
    };
  }

  #pass(peer: StoreId, event: () => void): void {
    if (this.#isPassing && this.#held.length === 0) event();
    else if (this.#held.length < heldMax) this.#held.push(event);
    else this.#transport.reset(peer);
  }

  #send(to: StoreId, kind: number, batch: number): boolean {
    const bytes = Buffer.alloc(messageBytes);
    bytes[0] = witnessByte;
    bytes[1] = kind;
    bytes.writeDoubleBE(batch, 2);
    return this.#transport.send(to, 'control', bytes);
  }

  #payOff(peer: StoreId): void {
    const seen = this.#owed.get(peer);
    if (seen !== undefined && this.#send(peer, witnessedKind, seen)) this.#owed.delete(peer);
  }

  #receive(from: PeerIdentity, bytes: Buffer): void {
    if (bytes.length !== messageBytes) return;
    const batch = bytes.readDoubleBE(2);
    const { storeId } = from;
    switch (bytes[1]) {
      case standingKind: {
        const seen = this.#witness.seen(storeId);
        if (seen > batch && !this.#options.mistaken('old image trusted')) this.#refuse(from, batch, seen);
        else this.#witness.saw(storeId, batch);
        this.#owed.set(storeId, seen);
        this.#payOff(storeId);
        return;
      }
      case witnessedKind:
        this.#hear(from, batch);
        return;
      case batchKind:
        if (!this.#refused.has(storeId)) this.#witness.saw(storeId, batch);
    }
  }

  #refuse({ storeId, node }: PeerIdentity, batch: number, seen: number): void {
    if (this.#refused.has(storeId)) return;
    this.#refused.add(storeId);
    this.#options.log.error('a peer came back on an old copy of its disk: it is not listened to', {
      node,
      storeId,
      batch,
      seen,
    });
  }

  /** A peer says up to which batch it has seen this store. */
  #hear({ storeId, node }: PeerIdentity, seen: number): void {
    if (seen > this.#found && !this.#answered.has(storeId) && !this.#options.mistaken('old image trusted')) {
      const error = outdated(this.#found, node, seen);
      if (this.#isPassing) this.#options.outdated(error);
      else this.#settle(error);
      return;
    }
    this.#answered.add(storeId);
    this.#noLongerAwaits(storeId);
  }

  #noLongerAwaits(storeId: StoreId): void {
    this.#awaited.delete(storeId);
    if (this.#awaited.size === 0) this.#settle();
  }

  /** Tells peers that know this life what is synced, and keeps what they told. */
  #tellSoon(): void {
    const { clock, journal } = this.#options;
    clock.schedule(tellEveryMs, () => {
      if (this.#isClosed || journal.status !== 'open') return;
      const { syncedBatch } = journal;
      assert(syncedBatch >= this.#found, 'what is synced stays synced');
      for (const peer of this.#answered)
        if (this.#transport.isUp(peer) && syncedBatch > (this.#told.get(peer) ?? 0)) {
          if (this.#send(peer, batchKind, syncedBatch)) this.#told.set(peer, syncedBatch);
        }
      if (clock.monotonicMs() - this.#keptMs >= keepEveryMs) {
        this.#keptMs = clock.monotonicMs();
        this.#witness.keep();
      }
      this.#tellSoon();
    });
  }
}

function outdated(found: number, node: string, seen: number): JournalError {
  return new JournalError(
    'STORE_OUTDATED',
    `the data directory is an old copy of itself: its newest batch is ${found}, and ${node} has seen batch ${seen} of it. ` +
      'It has forgotten what it said since, so it may not take part. Start the node on an empty data directory with ' +
      '--join: it is filled from the others. Nothing was said to anybody.',
  );
}
