/**
 * The rules of a shard's log that every journal keeps, whatever it writes to: positions without a gap, each record
 * chained to the one before, in the shard its actor belongs to, and times that never fall.
 */
import { assert } from '../core/assert.ts';
import type { Position, ShardId } from '../core/ids.ts';
import type { HollowRecord } from './hollow.ts';
import type { ActorIndexEntry, LogTail, StoreIdentity } from './journal.ts';
import { nextChain, type RecordHead } from './record.ts';

/** Control rows are named in short ASCII. */
export const controlNameLengthMax = 64;
const controlNamePattern = /^[\x21-\x7e]{1,64}$/;

export function assertShard(identity: StoreIdentity, shard: ShardId): void {
  assert(
    Number.isInteger(shard) && shard >= 0 && shard < identity.shardCount,
    () => `a shard is 0 to ${identity.shardCount - 1}, got ${shard}`,
  );
}

export function assertControlName(name: string): void {
  assert(controlNamePattern.test(name), () => `a control row's name is short printable ASCII, got '${name}'`);
}

/** What must hold of a record that is appended after `tail`. */
export function assertFollows(identity: StoreIdentity, shard: ShardId, tail: LogTail, head: RecordHead): void {
  // All at once first: of every record on every replica, and the texts below would be five closures for each.
  if (!follows(identity, shard, tail, head)) assertEachFollows(identity, shard, tail, head);
}

function follows({ shardCount }: StoreIdentity, shard: ShardId, tail: LogTail, head: RecordHead): boolean {
  return (
    head.position === tail.position + 1 &&
    head.epoch >= tail.epoch &&
    head.chain === nextChain(tail.chain, head.position, head.epoch, head.actorHash, head.bodyCrc) &&
    head.time >= tail.time &&
    belongsTo(shardCount, shard, head)
  );
}

function assertEachFollows(identity: StoreIdentity, shard: ShardId, tail: LogTail, head: RecordHead): void {
  assert(
    head.position === tail.position + 1,
    () => `a record is appended to shard ${shard} at ${tail.position + 1}, got ${head.position}`,
  );
  assert(
    head.epoch >= tail.epoch,
    () => `epochs never fall in a log, got ${head.epoch} after ${tail.epoch} in shard ${shard}`,
  );
  assert(
    head.chain === nextChain(tail.chain, head.position, head.epoch, head.actorHash, head.bodyCrc),
    () => `record ${head.position} of shard ${shard} is chained to the one before`,
  );
  assert(
    head.time >= tail.time,
    () => `times never fall in a log, got ${head.time} after ${tail.time} in shard ${shard}`,
  );
  assert(
    belongsTo(identity.shardCount, shard, head),
    () => `actor ${head.type} '${head.id}' belongs to shard ${head.actorHash % identity.shardCount}, not ${shard}`,
  );
}

/** What must hold of a hollow record that is appended after `tail`. */
export function assertHollowFollows(shard: ShardId, tail: LogTail, hollow: HollowRecord): void {
  assert(
    hollow.position === tail.position + 1 &&
      hollow.epoch >= tail.epoch &&
      hollow.chain === nextChain(tail.chain, hollow.position, hollow.epoch, hollow.actorHash, hollow.bodyCrc),
    () => `hollow record ${hollow.position} of shard ${shard} is chained to the one before, at ${tail.position}`,
  );
}

/** A record of an actor lies in the shard its hash says. Records of no actor may lie in any. */
export function belongsTo(shardCount: number, shard: ShardId, head: RecordHead): boolean {
  return head.type === '' || head.actorHash % shardCount === shard;
}

export function assertCommittable(shard: ShardId, tail: LogTail, position: Position): void {
  assert(
    position <= tail.position,
    () => `only what is in the log is committed: shard ${shard} ends at ${tail.position}, got ${position}`,
  );
}

export function assertTruncatable(shard: ShardId, tail: LogTail, committed: Position, position: Position): void {
  assert(
    position >= committed && position >= 0 && position <= tail.position,
    () => `shard ${shard} is truncated between its commit ${committed} and its tail ${tail.position}, got ${position}`,
  );
}

/** The index must be the same when it is rebuilt, and recovery begins at these: they do not become hollow. */
export function mustStay(head: RecordHead, entry: ActorIndexEntry | undefined): boolean {
  if (!entry) return false;
  if (head.position === entry.newestPosition || head.position === entry.snapshotPosition) return true;
  return entry.deleted && head.kind === 'deleted';
}

/** The tail once the record is the last one. */
export function tailAt(head: RecordHead): LogTail {
  return { position: head.position, epoch: head.epoch, chain: head.chain, time: head.time };
}
