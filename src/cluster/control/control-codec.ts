/**
 * The control log's messages and durable state as bytes: one byte that tells them from others on the channel, one for the
 * version, then msgpack without shared structures. What a change and a snapshot are as plain data, the caller knows.
 */
import { Packr } from 'msgpackr';
import { MalformedMessage } from '../shards/shard-messages.ts';
import type { ControlEntry, ControlMessage, ControlSnapshot, DurableState } from './control-protocol.ts';

export const controlMessageByte = 1;
const version = 1;

/** Changes and snapshots to plain data and back. */
export interface ControlEncoding<Change, Snapshot> {
  readonly encodeChange: (change: Change) => unknown;
  readonly decodeChange: (plain: unknown) => Change;
  readonly encodeSnapshot: (snapshot: Snapshot) => unknown;
  readonly decodeSnapshot: (plain: unknown) => Snapshot;
}

/** What nodes say about the log beside its own protocol. */
export type ControlWireMessage<Change, Snapshot> =
  | ControlMessage<Change, Snapshot>
  /** A proposal on its way to the leader. */
  | { readonly type: 'forward'; readonly id: string; readonly change: Change; readonly hops: number };

const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: false, int64AsType: 'number' });

export class ControlCodec<Change, Snapshot> {
  readonly #encoding: ControlEncoding<Change, Snapshot>;

  constructor(encoding: ControlEncoding<Change, Snapshot>) {
    this.#encoding = encoding;
  }

  sizeOf(change: Change): number {
    return packr.pack(this.#encoding.encodeChange(change)).length;
  }

  encodeMessage(message: ControlWireMessage<Change, Snapshot>): Buffer {
    return withHead(packr.pack(this.#plainMessage(message)));
  }

  /** @throws MalformedMessage */
  decodeMessage(bytes: Buffer): ControlWireMessage<Change, Snapshot> {
    const message = unpack(bytes) as ControlWireMessage<any, any>;
    if (typeof message?.type !== 'string') throw new MalformedMessage('a message of the control log has no type');
    switch (message.type) {
      case 'append':
        return { ...message, entries: message.entries.map((entry) => this.#decodeEntry(entry)) };
      case 'snapshot':
        return { ...message, snapshot: this.#decodedSnapshot(message.snapshot) };
      case 'forward':
        return { ...message, change: this.#encoding.decodeChange(message.change) };
      default:
        return message;
    }
  }

  encodeState(state: DurableState<Change>): Buffer {
    return withHead(packr.pack({ ...state, entries: state.entries.map((entry) => this.#plainEntry(entry)) }));
  }

  decodeState(bytes: Buffer): DurableState<Change> {
    const state = unpack(bytes) as DurableState<any>;
    return { ...state, entries: state.entries.map((entry) => this.#decodeEntry(entry)) };
  }

  encodeSnapshot(snapshot: ControlSnapshot<Snapshot>): Buffer {
    return withHead(packr.pack({ ...snapshot, data: this.#encoding.encodeSnapshot(snapshot.data) }));
  }

  decodeSnapshot(bytes: Buffer): ControlSnapshot<Snapshot> {
    return this.#decodedSnapshot(unpack(bytes) as ControlSnapshot<any>);
  }

  #plainMessage(message: ControlWireMessage<Change, Snapshot>): unknown {
    switch (message.type) {
      case 'append':
        return { ...message, entries: message.entries.map((entry) => this.#plainEntry(entry)) };
      case 'snapshot': {
        const { snapshot } = message;
        return { ...message, snapshot: { ...snapshot, data: this.#encoding.encodeSnapshot(snapshot.data) } };
      }
      case 'forward':
        return { ...message, change: this.#encoding.encodeChange(message.change) };
      default:
        return message;
    }
  }

  #decodedSnapshot(snapshot: ControlSnapshot<any>): ControlSnapshot<Snapshot> {
    return { ...snapshot, data: this.#encoding.decodeSnapshot(snapshot.data) };
  }

  #plainEntry(entry: ControlEntry<Change>): unknown {
    return entry.type === 'change' ? { ...entry, change: this.#encoding.encodeChange(entry.change) } : entry;
  }

  #decodeEntry(entry: ControlEntry<any>): ControlEntry<Change> {
    return entry.type === 'change' ? { ...entry, change: this.#encoding.decodeChange(entry.change) } : entry;
  }
}

function withHead(packed: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(packed.length + 2);
  bytes[0] = controlMessageByte;
  bytes[1] = version;
  bytes.set(packed, 2);
  return bytes;
}

function unpack(bytes: Buffer): unknown {
  if (bytes[0] !== controlMessageByte || bytes[1] !== version)
    throw new MalformedMessage(`the control log speaks version ${version}, got ${bytes[1]}`);
  try {
    return packr.unpack(bytes.subarray(2));
  } catch (error) {
    throw new MalformedMessage(`a message of the control log cannot be read: ${String(error)}`);
  }
}
