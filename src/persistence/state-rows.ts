/**
 * The small rows beside the log: who the store is, how often it was started, what each shard has promised, and the
 * node's control rows. Each is u32 crc-32 of the rest (of a hard state: xor its shard) · u8 format (1) · content.
 */
import type { ShardId } from '../core/ids.ts';
import { crc32 } from './crc32.ts';
import type { HardState, StoreIdentity } from './journal.ts';
import { recordFormat } from './record.ts';

const headBytes = 5;

export function encodeIdentity(identity: StoreIdentity): Buffer {
  const { clusterId, node, storeId, shardCount, replicas } = identity;
  return wrap(Buffer.from(JSON.stringify({ clusterId, node, storeId, shardCount, replicas })));
}

/** @returns undefined if it is damaged; so for all of these */
export function decodeIdentity(bytes: Buffer): StoreIdentity | undefined {
  const content = unwrap(bytes);
  return content && (JSON.parse(content.toString()) as StoreIdentity);
}

export function encodeBoot(boot: number): Buffer {
  return wrap(Buffer.from(String(boot)));
}

export function decodeBoot(bytes: Buffer): number | undefined {
  const content = unwrap(bytes);
  return content && Number(content.toString());
}

export function encodeHardState(shard: ShardId, state: HardState): Buffer {
  const content = Buffer.alloc(4 + Buffer.byteLength(state.promisedTo));
  content.writeUInt32BE(state.promisedEpoch, 0);
  content.write(state.promisedTo, 4);
  return wrap(content, shard);
}

export function decodeHardState(shard: ShardId, bytes: Buffer): HardState | undefined {
  const content = unwrap(bytes, shard);
  if (!content || content.length < 4) return undefined;
  return { promisedEpoch: content.readUInt32BE(0), promisedTo: content.toString('utf8', 4) };
}

export function encodeControl(value: Uint8Array): Buffer {
  return wrap(value);
}

export function decodeControl(bytes: Buffer): Buffer | undefined {
  return unwrap(bytes);
}

function wrap(content: Uint8Array, salt = 0): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes + content.length);
  bytes[4] = recordFormat;
  bytes.set(content, headBytes);
  bytes.writeUInt32BE((crc32(bytes, 4) ^ salt) >>> 0, 0);
  return bytes;
}

function unwrap(bytes: Buffer, salt = 0): Buffer | undefined {
  if (bytes.length < headBytes || bytes[4] !== recordFormat) return undefined;
  if (bytes.readUInt32BE(0) !== (crc32(bytes, 4) ^ salt) >>> 0) return undefined;
  return bytes.subarray(headBytes);
}
