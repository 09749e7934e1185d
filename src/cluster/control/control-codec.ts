/**
 * The control log as bytes: what goes over the wire, and the two rows on disk. A version byte, then one msgpack array;
 * new fields are added at the end. What a change or a snapshot is, the caller converts to plain data and back.
 *
 * A change is packed once and its bytes are used again: for its size, for every follower, and in every write of the
 * state. Bytes that are not what an encoder made are refused with {@link MalformedControlBytes}, never half read.
 */
import { Packr } from 'msgpackr';
import type { StoreId } from '../../core/ids.ts';
import type { ControlEntry, ControlMessage, ControlSnapshot, DurableState, LogPoint } from './control-protocol.ts';

const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: false, int64AsType: 'number' });
const version = 1;

/** Bytes that no encoder of this version made: from a defect, from damage, or from a newer version. */
export class MalformedControlBytes extends Error {
  override readonly name = 'MalformedControlBytes';
}

/** A proposal on its way to the leader, through whoever can reach it. */
export interface ForwardedProposal<Change> {
  readonly type: 'forward';
  readonly id: string;
  readonly change: Change;
  /** How many more nodes may pass it on. */
  readonly hopsLeft: number;
}

export type ControlWire<Change, Snapshot> = ControlMessage<Change, Snapshot> | ForwardedProposal<Change>;

/** To plain JSON-like data, and back. Decoding throws where the data is not what encoding made. */
export interface ControlConversions<Change, Snapshot> {
  encodeChange(change: Change): unknown;
  decodeChange(data: unknown): Change;
  encodeSnapshot(snapshot: Snapshot): unknown;
  decodeSnapshot(data: unknown): Snapshot;
}

export class ControlCodec<Change, Snapshot> {
  readonly #conversions: ControlConversions<Change, Snapshot>;
  readonly #packedChanges = new WeakMap<object, Buffer>();
  readonly #packedSnapshots = new WeakMap<ControlSnapshot<Snapshot>, Buffer>();

  constructor(conversions: ControlConversions<Change, Snapshot>) {
    this.#conversions = conversions;
  }

  /** Bytes that a change takes. */
  sizeOf(change: Change): number {
    return this.#packChange(change).length;
  }

  encodeWire(wire: ControlWire<Change, Snapshot>): Buffer {
    return encode(this.#wireFields(wire));
  }

  /** @throws MalformedControlBytes */
  decodeWire(bytes: Uint8Array): ControlWire<Change, Snapshot> {
    return reading('a control message', () => this.#wireOf(decode(bytes)));
  }

  encodeState({ term, vote, snapshot, entries }: DurableState<Change>): Buffer {
    return encode([term, vote ?? '', fromPoint(snapshot), entries.map((entry) => this.#fromEntry(entry))]);
  }

  /** @throws MalformedControlBytes */
  decodeState(bytes: Uint8Array): DurableState<Change> {
    return reading('the control state', () => {
      const [term, vote, snapshot, entries] = decode(bytes);
      const name = textOf(vote);
      const state = {
        term: countOf(term),
        vote: name === '' ? undefined : (name as StoreId),
        snapshot: toPoint(snapshot),
        entries: this.#toEntries(entries),
      };
      const first = state.entries[0]?.index ?? state.snapshot.index + 1;
      must(first === state.snapshot.index + 1, 'entries follow the snapshot');
      return state;
    });
  }

  encodeSnapshot(snapshot: ControlSnapshot<Snapshot>): Buffer {
    const known = this.#packedSnapshots.get(snapshot);
    if (known) return known;
    const { index, term, voters, recent, data } = snapshot;
    const ids = recent.map((proposal) => [proposal.id, proposal.index]);
    const bytes = encode([index, term, voters, ids, this.#conversions.encodeSnapshot(data)]);
    this.#packedSnapshots.set(snapshot, bytes);
    return bytes;
  }

  /** @throws MalformedControlBytes */
  decodeSnapshot(bytes: Uint8Array): ControlSnapshot<Snapshot> {
    return reading('a control snapshot', () => {
      const [index, term, voters, recent, data] = decode(bytes);
      return {
        index: countOf(index),
        term: countOf(term),
        voters: votersOf(voters),
        recent: listOf(recent).map((proposal) => {
          const [id, at] = listOf(proposal);
          return { id: textOf(id), index: countOf(at) };
        }),
        data: this.#conversions.decodeSnapshot(data),
      };
    });
  }

  #wireFields(wire: ControlWire<Change, Snapshot>): readonly unknown[] {
    switch (wire.type) {
      case 'preVote':
        return [wire.type, wire.term, fromPoint(wire.last)];
      case 'preVoteReply':
        return [wire.type, wire.term, wire.current, wire.isGranted];
      case 'vote':
        return [wire.type, wire.term, fromPoint(wire.last), wire.isTransfer];
      case 'voteReply':
        return [wire.type, wire.term, wire.isGranted];
      case 'append': {
        const entries = wire.entries.map((entry) => this.#fromEntry(entry));
        return [wire.type, wire.term, fromPoint(wire.previous), entries, wire.commit];
      }
      case 'appended':
        return [wire.type, wire.term, wire.match];
      case 'refused':
        return [wire.type, wire.term, wire.previous, fromPoint(wire.hint)];
      case 'snapshot':
        return [wire.type, wire.term, this.encodeSnapshot(wire.snapshot)];
      case 'campaign':
        return [wire.type, wire.term];
      case 'forward':
        return [wire.type, wire.hopsLeft, wire.id, this.#packChange(wire.change)];
    }
  }

  #wireOf([type, first, a, b, c]: readonly unknown[]): ControlWire<Change, Snapshot> {
    const term = countOf(first);
    switch (type) {
      case 'preVote':
        return { type, term, last: toPoint(a) };
      case 'preVoteReply':
        return { type, term, current: countOf(a), isGranted: booleanOf(b) };
      case 'vote':
        return { type, term, last: toPoint(a), isTransfer: booleanOf(b) };
      case 'voteReply':
        return { type, term, isGranted: booleanOf(a) };
      case 'append': {
        const [previous, entries] = [toPoint(a), this.#toEntries(b)];
        must(entries.length === 0 || entries[0]!.index === previous.index + 1, 'entries follow the previous one');
        return { type, term, previous, entries, commit: countOf(c) };
      }
      case 'appended':
        return { type, term, match: countOf(a) };
      case 'refused':
        return { type, term, previous: countOf(a), hint: toPoint(b) };
      case 'snapshot':
        return { type, term, snapshot: this.decodeSnapshot(bytesOf(a)) };
      case 'campaign':
        return { type, term };
      case 'forward':
        return { type, hopsLeft: term, id: textOf(a), change: this.#unpackChange(b) };
      default:
        throw new MalformedControlBytes(`no such message: ${String(type).slice(0, 40)}`);
    }
  }

  #fromEntry(entry: ControlEntry<Change>): readonly unknown[] {
    const { type, index, term } = entry;
    if (type === 'start') return [type, index, term];
    if (type === 'voters') return [type, index, term, entry.id, entry.voters];
    return [type, index, term, entry.id, this.#packChange(entry.change)];
  }

  #toEntries(list: unknown): ControlEntry<Change>[] {
    const entries = listOf(list).map((fields) => this.#toEntry(listOf(fields)));
    for (let place = 1; place < entries.length; place++) {
      const [before, entry] = [entries[place - 1]!, entries[place]!];
      must(entry.index === before.index + 1 && entry.term >= before.term, 'entries follow each other');
    }
    return entries;
  }

  #toEntry([type, first, second, id, content]: readonly unknown[]): ControlEntry<Change> {
    const [index, term] = [countOf(first), countOf(second)];
    if (type === 'start') return { type, index, term };
    if (type === 'voters') return { type, index, term, id: textOf(id), voters: votersOf(content) };
    must(type === 'change', 'an entry is a start, a change or voters');
    return { type: 'change', index, term, id: textOf(id), change: this.#unpackChange(content) };
  }

  #packChange(change: Change): Buffer {
    const isObject = typeof change === 'object' && change !== null;
    const known = isObject ? this.#packedChanges.get(change) : undefined;
    if (known) return known;
    const bytes = pack(this.#conversions.encodeChange(change));
    if (isObject) this.#packedChanges.set(change, bytes);
    return bytes;
  }

  #unpackChange(packed: unknown): Change {
    const bytes = bytesOf(packed);
    const change = this.#conversions.decodeChange(packr.unpack(bytes));
    if (typeof change === 'object' && change !== null) this.#packedChanges.set(change, Buffer.from(bytes));
    return change;
  }
}

/** In memory of its own: what is kept must not be overwritten by what is packed next. */
function pack(data: unknown): Buffer {
  return Buffer.from(packr.pack(data) as Buffer);
}

function encode(fields: readonly unknown[]): Buffer {
  return Buffer.concat([Buffer.of(version), packr.pack(fields) as Buffer]);
}

function decode(bytes: Uint8Array): readonly unknown[] {
  must(bytes.length > 1, 'there is a version and a body');
  must(bytes[0] === version, `version ${version}, got ${bytes[0]}`);
  return listOf(packr.unpack(bytes.subarray(1)));
}

/** Whatever goes wrong in `read` comes from the bytes. */
function reading<Result>(what: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw new MalformedControlBytes(`${what} is malformed: ${(error as Error).message}`, { cause: error });
  }
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new MalformedControlBytes(what);
}

function countOf(value: unknown): number {
  must(Number.isSafeInteger(value) && (value as number) >= 0, 'a count is an integer from 0 on');
  return value as number;
}

function textOf(value: unknown): string {
  must(typeof value === 'string', 'a name is a string');
  return value as string;
}

function booleanOf(value: unknown): boolean {
  must(typeof value === 'boolean', 'an answer is true or false');
  return value as boolean;
}

function listOf(value: unknown): readonly unknown[] {
  must(Array.isArray(value), 'a list is an array');
  return value as unknown[];
}

function bytesOf(value: unknown): Uint8Array {
  must(value instanceof Uint8Array, 'packed data is bytes');
  return value as Uint8Array;
}

function votersOf(value: unknown): readonly StoreId[] {
  return listOf(value).map((voter) => textOf(voter) as StoreId);
}

function fromPoint({ index, term }: LogPoint): readonly number[] {
  return [index, term];
}

function toPoint(value: unknown): LogPoint {
  const [index, term] = listOf(value);
  return { index: countOf(index), term: countOf(term) };
}
