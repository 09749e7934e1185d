/**
 * What members tell each other on the control channel besides the control log: heartbeats, joining, the map for those who
 * missed it, and draining. Small msgpack arrays after one byte; the control log's own messages begin with another.
 */
import { Packr } from 'msgpackr';
import type { Epoch, NodeName, ShardId, StoreId } from '../../core/ids.ts';
import { MalformedMessage } from '../shards/shard-messages.ts';
import type { MapChange } from './cluster-map.ts';
import type { ObserverReport } from './failure-detector.ts';

/** First byte of these on the control channel; the control log's begin with another. */
export const memberMessageByte = 0x80;

/** What a node says about itself when it joins or starts anew. */
export interface MemberFacts {
  readonly node: NodeName;
  readonly boot: number;
  readonly address: string;
  readonly httpAddress: string;
  readonly zone: string;
  readonly protocol: { readonly min: number; readonly max: number };
}

/** What the control log is told of a new life of a store that the map knows; its name stays. */
export function memberStarted(storeId: StoreId, { node: _, ...life }: MemberFacts): MapChange {
  return { type: 'memberStarted', storeId, ...life };
}

export interface ShardOfEpoch {
  readonly shard: ShardId;
  readonly epoch: Epoch;
}

export type MemberMessage =
  | {
      readonly type: 'heartbeat';
      readonly mapVersion: number;
      readonly report: ObserverReport;
      /** Learners of shards owned by the sender that hold nearly everything. */
      readonly caughtUp: readonly (readonly [ShardId, readonly StoreId[]])[];
      /** Names of the actor types and commands that the sender serves, hashed; see adverts.ts. */
      readonly advert: string;
      /** Nothing can be recorded on the sender, as on a disk that is full: better owners are wanted. */
      readonly cannotRecord?: boolean;
    }
  | { readonly type: 'join'; readonly facts: MemberFacts }
  | { readonly type: 'joinRefused'; readonly reason: string }
  /** "I have the map at this version and heard of a newer one." */
  | { readonly type: 'mapWanted'; readonly version: number }
  | { readonly type: 'map'; readonly map: unknown }
  /** The leader is about to assign these shards to others: admit nothing more, finish, say so. */
  | { readonly type: 'drain'; readonly shards: readonly ShardOfEpoch[] }
  | { readonly type: 'drained'; readonly shards: readonly ShardOfEpoch[] }
  /** Actor types of the sender with their commands and events. */
  | { readonly type: 'advert'; readonly advert: string; readonly types: unknown }
  | { readonly type: 'advertWanted' };

const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: false, int64AsType: 'number' });

export function encodeMemberMessage(message: MemberMessage): Buffer {
  const packed = packr.pack(message);
  const bytes = Buffer.allocUnsafe(packed.length + 1);
  bytes[0] = memberMessageByte;
  bytes.set(packed, 1);
  return bytes;
}

/** @throws MalformedMessage */
export function decodeMemberMessage(bytes: Buffer): MemberMessage {
  try {
    const message = packr.unpack(bytes.subarray(1)) as MemberMessage;
    if (typeof message?.type === 'string') return message;
  } catch (error) {
    throw new MalformedMessage(`a message between members cannot be read: ${String(error)}`);
  }
  throw new MalformedMessage('a message between members has no type');
}
