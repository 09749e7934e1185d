/**
 * What hardly ever happens by chance, told step by step: one replica, and what it is sent. Each story says what a replica
 * without the mistake does.
 */
import type { ProtocolMistake } from '../../../src/cluster/mistakes.ts';
import { Replicas } from '../../../src/cluster/shards/replicas.ts';
import { decodeShardMessage, type ShardMessage } from '../../../src/cluster/shards/shard-messages.ts';
import type { NodeName } from '../../../src/core/ids.ts';
import { MemoryDisk } from '../../../src/persistence/memory-disk.ts';
import { MemoryJournal } from '../../../src/persistence/memory-journal.ts';
import { type EncodedRecord, encodeRecord } from '../../../src/persistence/record.ts';
import { store } from '../map-fixture.ts';

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
  // An owner that looks for common ground sends again what is there; more was acknowledged.
  'stale append truncates': async (replica) => {
    const rows = records(3);
    await replica.hears({ type: 'append', shard, epoch: 1, previous: start, commit: 0, rows }, 'a');
    await replica.hears({ type: 'append', shard, epoch: 1, previous: start, commit: 0, rows: rows.slice(0, 1) }, 'a');
    const { position } = replica.journal.tail(shard);
    return position === 3 ? undefined : `3 records were acknowledged, and the log ends at ${position}`;
  },
};

/** Tells the story of a mistake to a replica that makes it, or to one that does not. @returns what is wrong */
export async function tell(mistake: ProtocolMistake, isMade: boolean): Promise<string | undefined> {
  const replica = new Told(isMade ? mistake : undefined);
  await replica.journal.open();
  return stories[mistake]!(replica);
}

const shard = 0;
const start = { position: 0, epoch: 0, chain: 0 };

class Told {
  readonly journal: MemoryJournal;
  readonly #replicas: Replicas;
  #answer: Answer | undefined;

  constructor(mistake: ProtocolMistake | undefined) {
    this.journal = new MemoryJournal({
      identity: { clusterId: 'test', node: 'r' as NodeName, storeId: store('r'), shardCount: 1, replicas: 3 },
      disk: new MemoryDisk(),
      defer: (task) => void setImmediate(task),
    });
    this.#replicas = new Replicas({
      journal: this.journal,
      send: (_to, bytes) => {
        this.#answer = decodeShardMessage(bytes).type;
        return true;
      },
      promised: () => {},
      mistaken: (each) => each === mistake,
    });
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

function records(count: number): EncodedRecord[] {
  const made: EncodedRecord[] = [];
  for (let position = 1; position <= count; position++) {
    const draft = {
      kind: 'epochStart' as const,
      type: '' as const,
      id: '' as const,
      actorHash: 0,
      firstSequence: 0,
      eventCount: 0,
      ordinal: 0,
      previous: [],
      body: Buffer.from([position]),
    };
    made.push(encodeRecord(draft, { position, epoch: 1, time: position, previousChain: made.at(-1)?.head.chain ?? 0 }));
  }
  return made;
}
