/**
 * What hardly ever happens by chance, told step by step: one replica, and what it is sent. Each story says what a replica
 * without the mistake does.
 */
import type { ProtocolMistake } from '../../../src/cluster/mistakes.ts';
import { shardLimits } from '../../../src/cluster/shards/follower.ts';
import { Forgetting } from '../../../src/cluster/shards/forgetting.ts';
import { Repairs } from '../../../src/cluster/shards/repairs.ts';
import { Replicas } from '../../../src/cluster/shards/replicas.ts';
import { decodeShardMessage, type ShardMessage } from '../../../src/cluster/shards/shard-messages.ts';
import { AssertionFailure } from '../../../src/core/assert.ts';
import type { NodeName } from '../../../src/core/ids.ts';
import { silentLog } from '../../../src/core/log.ts';
import { MemoryDisk } from '../../../src/persistence/memory-disk.ts';
import { MemoryJournal } from '../../../src/persistence/memory-journal.ts';
import { type EncodedRecord, encodeRecord } from '../../../src/persistence/record.ts';
import { foundedMap, member, store } from '../map-fixture.ts';

type Answer = ShardMessage['type'];

/** @returns what is wrong; undefined: nothing */
type Story = (replica: Told) => Promise<string | undefined>;

export const stories: Partial<Record<ProtocolMistake, Story>> = {
  // The map gives an epoch to one owner; a replica does not rely on it.
  'promise same epoch to two owners': async (replica) => {
    const first = await replica.hears({ type: 'promise', shard, epoch: 5 }, 'a');
    const second = await replica.hears({ type: 'promise', shard, epoch: 5 }, 'b');
    return `${first} ${second}` === 'promised refused' ? undefined : `epoch 5 is asked for twice: ${first}, ${second}`;
  },
  // An owner that was cut off begins its epoch when the next one is promised already.
  'no fence on promise': async (replica) => {
    await replica.hears({ type: 'promise', shard, epoch: 5 }, 'a');
    const late = await replica.hears({ type: 'promise', shard, epoch: 4 }, 'b');
    return late === 'refused' ? undefined : `epoch 5 was promised, and to epoch 4 it says: ${late}`;
  },
  // An owner that looks for common ground sends again what is there; more was acknowledged.
  'stale append truncates': async (replica) => {
    const rows = records(3);
    await replica.hears({ type: 'append', shard, epoch: 1, previous: start, commit: 0, rows }, 'a');
    await replica.hears({ type: 'append', shard, epoch: 1, previous: start, commit: 0, rows: rows.slice(0, 1) }, 'a');
    const { position } = replica.journal.tail(shard);
    return position === 3 ? undefined : `3 records were acknowledged, and the log ends at ${position}`;
  },
  // A copy that lags, or took another way, answers with what it has at that place.
  'repair not verified': async (replica) => {
    const rows = records(3);
    await replica.hears({ type: 'append', shard, epoch: 1, previous: start, commit: 3, rows }, 'a');
    replica.journal.disk.damage(shard, 2, 'missing');
    replica.journal.read(shard, 2);
    const [, other] = records(3, 'another way');
    await replica.isSent([other!]);
    if (replica.journal.read(shard, 2).type !== 'damaged') return 'another record took the place of a damaged one';
    await replica.isSent([rows[1]!]);
    return replica.journal.read(shard, 2).type === 'record' ? undefined : 'the record was sent, and is damaged still';
  },
  // The map it knows is older than what it agreed to since: it is a replica again.
  'forgets by grace time alone': async (replica) => {
    const rows = records(3);
    await replica.hears({ type: 'append', shard, epoch: 1, previous: start, commit: 3, rows }, 'a');
    const map = foundedMap([member('a'), member('b'), member('r')], 1, 2);
    const replicas = [store('a'), store('b')];
    const placement = {
      assigned: { epoch: 2, owner: store('a'), boot: 1, replicas },
      active: { epoch: 2, replicas },
      learners: [],
    };
    replica.forgetting.see({ ...map, shards: [placement] }, 0);
    replica.forgetting.sweep(0);
    await replica.hears({ type: 'promise', shard, epoch: 3 }, 'b');
    replica.forgetting.sweep(2 * shardLimits.forgetAfterMs);
    const { position } = replica.journal.tail(shard);
    return position === 3 ? undefined : `epoch 3 is promised, and of 3 records ${position} are left`;
  },
};

/** Tells the story of a mistake to a replica that makes it, or to one that does not. @returns what is wrong */
export async function tell(mistake: ProtocolMistake, isMade: boolean): Promise<string | undefined> {
  const replica = new Told(isMade ? mistake : undefined);
  await replica.journal.open();
  try {
    return await stories[mistake]!(replica);
  } catch (error) {
    if (!(error instanceof AssertionFailure)) throw error;
    return error.message;
  }
}

const shard = 0;
export const start = { position: 0, epoch: 0, chain: 0 };

export class Told {
  readonly journal: MemoryJournal;
  readonly forgetting: Forgetting;
  readonly #replicas: Replicas;
  readonly #repairs: Repairs;
  #answer: Answer | undefined;

  constructor(mistake: ProtocolMistake | undefined) {
    this.journal = new MemoryJournal({
      identity: { clusterId: 'test', node: 'r' as NodeName, storeId: store('r'), shardCount: 1, replicas: 3 },
      disk: new MemoryDisk(),
      defer: (task) => void setImmediate(task),
    });
    this.#repairs = new Repairs({
      journal: this.journal,
      log: silentLog,
      mistaken: (each) => each === mistake,
      nowMs: () => 0,
      defer: (task) => void setImmediate(task),
      send: () => true,
      isUp: () => true,
      copies: () => [store('a')],
      repaired: () => {},
    });
    this.forgetting = new Forgetting({
      journal: this.journal,
      storeId: store('r'),
      log: silentLog,
      mistaken: (each) => each === mistake,
      forgetAfterMs: shardLimits.forgetAfterMs,
      isOwned: () => false,
    });
    this.#replicas = new Replicas({
      journal: this.journal,
      send: (_to, bytes) => {
        this.#answer = decodeShardMessage(bytes).type;
        return true;
      },
      promised: () => {},
      repairs: this.#repairs,
      mistaken: (each) => each === mistake,
    });
  }

  /** Another copy answers what was asked for in the place of damaged records. */
  async isSent(rows: readonly EncodedRecord[]): Promise<void> {
    this.#repairs.receiveRows(store('a'), { type: 'rows', shard, epoch: 1, from: rows[0]!.head.position, rows });
    await this.journal.flush();
  }

  /** @returns the kind of its last answer */
  async hears(message: ShardMessage & { type: 'promise' | 'append' }, from: string): Promise<Answer | undefined> {
    this.#answer = undefined;
    if (message.type === 'promise') this.#replicas.receivePromise(store(from), message);
    else this.#replicas.receiveAppend(store(from), message);
    await this.journal.flush();
    await new Promise((resolve) => setImmediate(resolve));
    return this.#answer;
  }
}

/** Records from position 1 on, of which the first may be given. */
export function records(count: number, what = '', epoch = 1, first?: EncodedRecord): EncodedRecord[] {
  const made: EncodedRecord[] = first ? [first] : [];
  for (let position = made.length + 1; position <= count; position++) {
    const draft = {
      kind: 'epochStart' as const,
      type: '' as const,
      id: '' as const,
      actorHash: 0,
      firstSequence: 0,
      eventCount: 0,
      ordinal: 0,
      previous: [],
      body: Buffer.from(`${what} ${position}`),
    };
    made.push(encodeRecord(draft, { position, epoch, time: position, previousChain: made.at(-1)?.head.chain ?? 0 }));
  }
  return made;
}
