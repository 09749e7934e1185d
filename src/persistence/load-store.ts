/**
 * Reading what an opened database holds, and deciding whether all that was synced is still there:
 *
 * - the batch ledger has no gap and does not end before the watermark;
 * - the checkpoint is there, and the records its tails name;
 * - from those tails on, every shard's log is read: positions without a gap, each record chained to the one before;
 *   from what is found the index of actors is made up to date;
 * - the log rows found there, the hard states and the control rows are as many as the newest batch says, and the same.
 *
 * Anything else is `STORE_DAMAGED`. A record whose body alone is bad costs its actor, not the store.
 */
import type { ActorId, ActorTypeName, ShardId } from '../core/ids.ts';
import { decodeActorRow, entryAfter } from './actor-index.ts';
import { type BatchRow, decodeBatchRow } from './batch-ledger.ts';
import { type Checkpoint, decodeCheckpoint } from './checkpoint.ts';
import { decodeHollowBlock, findHollow } from './hollow.ts';
import { type HardState, JournalError, type ReadResult, type StoreIdentity } from './journal.ts';
import {
  actorKey,
  checkpointKey,
  hollowBlockStart,
  hollowKey,
  keyLetters,
  letterRange,
  logKey,
  metaKey,
  numberOfBatchKey,
} from './keys.ts';
import { rowBytes } from './log-row.ts';
import { type Database, scanLog } from './log-scan.ts';
import { type LogDamage, tailAfter } from './log-walk.ts';
import { OpenShard } from './open-shard.ts';
import { decodeHead } from './record.ts';
import { decodeBoot, decodeControl, decodeHardState, decodeIdentity } from './state-rows.ts';
import { stateRowHash, Tally } from './tally.ts';

export interface LoadedStore {
  readonly identity: StoreIdentity;
  /** Of the last opening; 0 before the first. */
  readonly boot: number;
  /** The newest batch. */
  readonly n: number;
  /** The oldest batch whose row is there. */
  readonly oldestBatch: number;
  /** Every shard. */
  readonly shards: readonly OpenShard[];
  /** Log rows after the checkpoint's tails. */
  readonly logRows: Tally;
  /** Hard state and control rows. */
  readonly states: Tally;
  readonly hardStates: ReadonlyMap<ShardId, HardState>;
  readonly controls: ReadonlyMap<string, Buffer>;
  readonly recordsRead: number;
  readonly bytesRead: number;
  /** Bodies that do not verify. */
  readonly damages: readonly LogDamage[];
}

/** Shards that are read at the same time: as many as there are threads to read. */
const shardsAtOnce = 4;
const rowsPerChunk = 1000;

/**
 * @param path the store's directory, for messages
 * @throws JournalError `STORE_DAMAGED`
 */
export async function loadStore(database: Database, path: string, watermark: number): Promise<LoadedStore> {
  const identityBytes = await database.get(metaKey('store'));
  const identity = identityBytes && decodeIdentity(identityBytes);
  if (!identity) throw damaged(path, 'the row that says whose store it is is missing or damaged');
  const bootBytes = await database.get(metaKey('boot'));
  const boot = bootBytes ? decodeBoot(bootBytes) : 0;
  if (boot === undefined) throw damaged(path, 'the row that counts its starts is damaged');
  const checkpointBytes = await database.get(checkpointKey);
  const checkpoint = checkpointBytes && decodeCheckpoint(checkpointBytes);
  if (!checkpoint) throw damaged(path, 'its checkpoint is missing or damaged');

  const batches = await loadBatches(database, path, checkpoint.floor);
  if (batches.n < watermark) throw damaged(path, `its newest batch is ${batches.n}, but batch ${watermark} was synced`);
  const states = new Tally();
  const hardStates = await loadHardStates(database, path, states);
  const controls = await loadControls(database, path, states);
  if (!states.equals(batches.last.states))
    throw damaged(
      path,
      `it holds ${states.count} hard state and control rows, not the ${batches.last.states.count} written`,
    );

  const logRows = new Tally();
  const shards = makeShards(identity, checkpoint, logRows);
  await checkTails(database, path, shards);
  const found = await readTails(database, path, identity.shardCount, shards);
  if (!logRows.equals(batches.last.log))
    throw damaged(
      path,
      logRows.count === batches.last.log.count
        ? 'the newest records are not the ones that were written'
        : `it holds ${logRows.count} records since its checkpoint, not the ${batches.last.log.count} written`,
    );
  return {
    identity,
    boot,
    n: batches.n,
    oldestBatch: batches.oldest,
    shards,
    logRows,
    states,
    hardStates,
    controls,
    ...found,
  };
}

async function loadBatches(
  database: Database,
  path: string,
  floor: number,
): Promise<{ readonly n: number; readonly oldest: number; readonly last: BatchRow }> {
  let oldest: number | undefined;
  let n = floor - 1;
  let last: Buffer | undefined;
  const iterator = database.iterator(letterRange(keyLetters.batch));
  try {
    for (;;) {
      const entries = await iterator.nextv(rowsPerChunk);
      if (entries.length === 0) break;
      for (const [key, value] of entries) {
        const number = numberOfBatchKey(key);
        oldest ??= number;
        if (number < floor) continue;
        if (number !== n + 1) throw damaged(path, `batch ${n + 1} is missing, though later ones are there`);
        n = number;
        last = value;
      }
    }
  } finally {
    await iterator.close();
  }
  const row = last && decodeBatchRow(n, last);
  if (!row) throw damaged(path, `the row of batch ${n} is missing or damaged`);
  return { n, oldest: oldest!, last: row };
}

async function loadHardStates(database: Database, path: string, states: Tally): Promise<Map<ShardId, HardState>> {
  const result = new Map<ShardId, HardState>();
  for (const [key, value] of await twice(database, path, keyLetters.hardState, keyLetters.hardStateCopy)) {
    const shard = key.readUInt16BE(1);
    const state = decodeHardState(shard, value);
    if (!state) throw damaged(path, `the promise of shard ${shard} is damaged`);
    states.add(stateRowHash(key, value));
    result.set(shard, state);
  }
  return result;
}

async function loadControls(database: Database, path: string, states: Tally): Promise<Map<string, Buffer>> {
  const result = new Map<string, Buffer>();
  for (const [key, value] of await twice(database, path, keyLetters.control, keyLetters.controlCopy)) {
    const name = key.toString('latin1', 1);
    const control = decodeControl(value);
    if (!control) throw damaged(path, `the control row '${name}' is damaged`);
    states.add(stateRowHash(key, value));
    result.set(name, control);
  }
  return result;
}

/** Rows that are kept twice, compared. */
async function twice(
  database: Database,
  path: string,
  letter: number,
  copyLetter: number,
): Promise<[Buffer, Buffer][]> {
  const rows = await database.iterator(letterRange(letter)).all();
  const copies = await database.iterator(letterRange(copyLetter)).all();
  const same =
    rows.length === copies.length &&
    rows.every(([key, value], i) => key.subarray(1).equals(copies[i]![0].subarray(1)) && value.equals(copies[i]![1]));
  if (!same) throw damaged(path, 'the two copies of its hard state or control rows differ');
  return rows as [Buffer, Buffer][];
}

function makeShards(identity: StoreIdentity, checkpoint: Checkpoint, logRows: Tally): OpenShard[] {
  const known = new Map(checkpoint.shards.map((entry) => [entry.shard, entry]));
  return Array.from({ length: identity.shardCount }, (_, id) => {
    const entry = known.get(id);
    const shard = new OpenShard(id, entry?.gen ?? 0, logRows);
    if (entry) shard.beginAt(entry.tail, entry.committed);
    return shard;
  });
}

/** The records the checkpoint names are there. */
async function checkTails(database: Database, path: string, shards: readonly OpenShard[]): Promise<void> {
  const used = shards.filter(({ base }) => base.position > 0);
  const rows = await database.getMany(used.map(({ shard, gen, base }) => logKey(shard, gen, base.position)));
  for (const [i, { shard, gen, base }] of used.entries()) {
    const bytes = rows[i];
    let chain: number | undefined;
    if (bytes) {
      const decoded = decodeHead(bytes);
      chain = decoded.ok ? decoded.head.chain : undefined;
    } else {
      const start = hollowBlockStart(base.position);
      const blockBytes = await database.get(hollowKey(shard, gen, start));
      chain = findHollow(blockBytes && decodeHollowBlock(blockBytes, start), base.position)?.chain;
    }
    if (chain !== base.chain)
      throw damaged(
        path,
        `record ${base.position} of shard ${shard}, which its checkpoint names, is missing or damaged`,
      );
  }
}

interface ReadTails {
  recordsRead: number;
  bytesRead: number;
  readonly damages: LogDamage[];
}

async function readTails(
  database: Database,
  path: string,
  shardCount: number,
  shards: readonly OpenShard[],
): Promise<ReadTails> {
  const found: ReadTails = { recordsRead: 0, bytesRead: 0, damages: [] };
  const queue = shards.values();
  const readNext = async (): Promise<void> => {
    for (const shard of queue) {
      await readTail(database, path, shardCount, shard, found);
      shard.committed = Math.min(shard.committed, shard.tail.position);
    }
  };
  await Promise.all(Array.from({ length: shardsAtOnce }, readNext));
  return found;
}

async function readTail(
  database: Database,
  path: string,
  shardCount: number,
  shard: OpenShard,
  found: ReadTails,
): Promise<void> {
  const range = {
    shardCount,
    shard: shard.shard,
    gen: shard.gen,
    from: shard.base.position + 1,
    to: undefined,
    rowsPerChunk,
  };
  for await (const rows of scanLog(database, range)) {
    for (const { position, result } of rows) {
      const tail = tailAfter(shard.tail, result);
      if (typeof tail === 'string') throw damaged(path, `record ${position} of shard ${shard.shard}: ${tail}`);
      shard.found(tail);
      found.recordsRead += 1;
      found.bytesRead += rowBytes(result);
      if (result.type === 'damaged')
        found.damages.push({
          shard: shard.shard,
          position,
          type: result.head!.type,
          id: result.head!.id,
          problem: result.problem,
        });
      await indexFound(database, shard, result);
    }
  }
}

async function indexFound(database: Database, shard: OpenShard, result: ReadResult): Promise<void> {
  if (result.type !== 'record' && result.type !== 'damaged') return;
  const head = result.head!;
  if (head.type === '') return;
  const type = head.type as ActorTypeName;
  const id = head.id as ActorId;
  let before = shard.recent.get(type, id);
  if (!before && head.kind === 'snapshot') {
    const bytes = await database.get(actorKey(shard.shard, shard.gen, type, id));
    before = bytes && decodeActorRow(type, id, bytes);
  }
  shard.recent.set(type, id, entryAfter(before, head));
}

export function damaged(path: string, what: string, cause?: unknown): JournalError {
  return new JournalError(
    'STORE_DAMAGED',
    `${path} has lost or damaged data that was synced: ${what}. Nothing was changed. Run 'greenroom journal verify' for ` +
      'details; restore the directory, or move it away and let the node be filled from its peers.',
    cause,
  );
}
