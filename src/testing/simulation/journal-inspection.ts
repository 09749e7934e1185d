/**
 * What a node's journal shows to the invariants. Every cluster whose nodes keep their shards in a {@link Journal} can
 * use it; the node adds what only it knows: what it serves, and which replicas are active.
 */
import { ownRecordId } from '../../actors/command-ids.ts';
import { decodeCommandBody } from '../../persistence/codec.ts';
import type { HardState, Journal } from '../../persistence/journal.ts';
import type { LogRow } from '../../persistence/log-row.ts';
import type { MemoryDisk } from '../../persistence/memory-disk.ts';
import type { MemoryJournal } from '../../persistence/memory-journal.ts';
import { lastSequence } from '../../persistence/record.ts';
import type { LoggedRecord, ShardInspection } from './inspection.ts';

/** What an inspection was made of: it is made anew once something of it is another. */
interface Shown {
  readonly inspection: ShardInspection;
  readonly hardState: HardState | undefined;
  readonly length: number;
  /** The newest row on the disk: with the same one, all before it are the same. */
  readonly onDisk: LogRow | undefined;
}

/** Shows one journal's shards; one that did not change is the same object as before. */
export class JournalInspection {
  readonly #journal: MemoryJournal;
  readonly #disk: MemoryDisk;
  readonly #shown = new Map<number, Shown>();

  constructor(journal: MemoryJournal, disk: MemoryDisk) {
    this.#journal = journal;
    this.#disk = disk;
  }

  shard(
    shard: number,
    servesEpoch: number | undefined,
    active: { readonly epoch: number; readonly replicas: readonly string[] },
    isComplete: boolean,
    excludedEpoch: () => number = () => 0,
  ): ShardInspection {
    const [journal, disk] = [this.#journal, this.#disk];
    // What is durable: what was set and not synced was told to nobody.
    const hardState = disk.hardStates.get(shard);
    const rows = disk.logs.get(shard);
    const onDisk = rows?.at(-1);
    const length = journal.tail(shard).position;
    const committed = journal.committed(shard);
    const rewrites = journal.rewrites(shard);
    const shown = this.#shown.get(shard);
    // Rows are spoilt and heal without a trace in any of these.
    if (
      shown &&
      !disk.isSpoilt &&
      shown.length === length &&
      shown.onDisk === onDisk &&
      shown.hardState === hardState &&
      shown.inspection.committed === committed &&
      shown.inspection.rewrites === rewrites &&
      shown.inspection.servesEpoch === servesEpoch &&
      shown.inspection.activeEpoch === active.epoch &&
      shown.inspection.activeReplicas === active.replicas &&
      shown.inspection.isComplete === isComplete
    )
      return shown.inspection;
    const inspection: ShardInspection = {
      shard,
      promisedEpoch: hardState?.promisedEpoch ?? 0,
      promisedTo: hardState?.promisedTo ?? '',
      servesEpoch,
      activeEpoch: active.epoch,
      activeReplicas: active.replicas,
      durableLength: durableLength(journal, rows ?? [], shard),
      committed,
      rewrites,
      isComplete,
      excludedEpoch,
      record: (position) => loggedRecord(journal, shard, position),
    };
    if (disk.isSpoilt) this.#shown.delete(shard);
    else this.#shown.set(shard, { inspection, hardState, length, onDisk });
    return inspection;
  }
}

/** How much of the log is on disk. Rows that are to be cut off may still lie there, in the place of others. */
function durableLength(journal: Journal, rows: readonly LogRow[], shard: number): number {
  let length = Math.min(rows.length, journal.tail(shard).position);
  for (; length > 0; length--) {
    const row = rows[length - 1]!;
    const { epoch, chain } = 'head' in row ? row.head : row;
    const known = journal.read(shard, length);
    const own = known.type === 'record' ? known.head : known;
    if ('chain' in own && own.chain === chain && own.epoch === epoch) break;
  }
  return length;
}

/** A record as the invariants see it. Its body is read only when somebody asks for the command's id. */
export function loggedRecord(journal: Journal, shard: number, position: number): LoggedRecord | undefined {
  const read = journal.read(shard, position);
  if (read.type === 'hollow') {
    const { epoch, chain } = read;
    return { position, epoch, chain, actor: '', commandId: '', firstSequence: 0, lastSequence: 0 };
  }
  if (read.type !== 'record') return undefined;
  const { head, body } = read;
  const hasEvents = head.kind === 'command' && head.eventCount > 0;
  return {
    position,
    epoch: head.epoch,
    chain: head.chain,
    actor: head.type === '' ? '' : `${head.type}/${head.id}`,
    firstSequence: hasEvents ? head.firstSequence : 0,
    lastSequence: hasEvents ? lastSequence(head) : 0,
    get commandId() {
      if (head.kind !== 'command') return '';
      const { commandId, reminders } = decodeCommandBody(body);
      // A tick that failed notes when it is tried again, under its own id: that is not the tick.
      if (reminders?.some(({ reminder }) => reminder && reminder.retryAt > 0)) return '';
      // What the runtime notes by itself is nobody's command.
      return commandId === ownRecordId ? '' : commandId;
    },
  };
}
