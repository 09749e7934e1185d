/**
 * What this node can say about actors of the shards it owns: states, histories, listings. Every answer waits until this
 * node is known to have been the owner after the question came, and shows only what is committed.
 *
 * Where a shard is not served here, the error says so (`reroute`): whoever asked looks for the owner.
 */
import type { ActorHost } from '../actors/actor-host.ts';
import type { ActorDefinition } from '../actors/definition.ts';
import { Recovery } from '../actors/recovery.ts';
import { reminderInfo } from '../actors/reminders.ts';
import { GreenroomError } from '../core/errors.ts';
import { actorHash } from '../core/hash.ts';
import type { ActorId, SequenceNumber, ShardId } from '../core/ids.ts';
import type { Journal, ListedActor } from '../persistence/journal.ts';
import type { ActorSummary, Inspection, Page, PublicEvent } from './gateway.ts';
import { committedEnd, readCommittedEvents, unknownActor } from './history-pages.ts';
import type { OwnedShard } from './shards/owned-shard.ts';

export interface LocalReadsOptions {
  readonly host: ActorHost;
  readonly journal: Journal;
  /** The log of a shard that is served here; undefined if it is not. */
  readonly served: (shard: ShardId) => OwnedShard | undefined;
}

/** What an inspection says beside where the actor is. */
export type LocalInspection = Omit<Inspection, 'node' | 'replicas'>;

/** Actors of the shards that are served here. */
export interface LocalPage {
  readonly shards: readonly ShardId[];
  readonly actors: readonly ActorSummary[];
}

export class LocalReads {
  readonly #host: ActorHost;
  readonly #journal: Journal;
  readonly #served: (shard: ShardId) => OwnedShard | undefined;

  constructor({ host, journal, served }: LocalReadsOptions) {
    this.#host = host;
    this.#journal = journal;
    this.#served = served;
  }

  async inspect(type: string, id: ActorId, at?: SequenceNumber): Promise<LocalInspection> {
    const { definition, activations } = this.#host.home(type);
    const log = await this.#confirmed(type, id);
    const status = this.#statusOf(type, id);
    const common = { type: definition.name, id, shard: log.shard, status };
    if (!definition.memory) {
      if (!activations.has(id)) throw unknownActor(type, id);
      return { ...common, sequenceNumber: 0, state: null };
    }
    const end = committedEnd(this.#host, log, type, id);
    const reason = this.#host.supervision.standing(type, id, this.#host.clock.monotonicMs());
    if (!end || (end.sequenceNumber === 0 && at !== undefined)) throw unknownActor(type, id);
    if (at !== undefined && at > end.sequenceNumber) {
      throw new GreenroomError(
        'BAD_REQUEST',
        `${type}/${id} has ${end.sequenceNumber} events; there is no state at ${at}`,
      );
    }
    if (status === 'quarantined' && at === undefined) {
      return {
        ...common,
        sequenceNumber: end.sequenceNumber,
        state: null,
        ...('reason' in reason ? { reason: reason.reason } : {}),
      };
    }
    const recovered = await this.#recover(definition, id, log, end.newest, at);
    const isEmpty = recovered.sequenceNumber === recovered.deletedThrough;
    if (isEmpty && (at === undefined ? recovered.reminders.size === 0 : recovered.deletedThrough > 0)) {
      if (at === undefined) throw unknownActor(type, id);
      throw new GreenroomError('BAD_REQUEST', `events up to ${recovered.deletedThrough} of ${type}/${id} were deleted`);
    }
    const { state } = recovered;
    if (at !== undefined) return { ...common, sequenceNumber: at, state };
    const reminders = recovered.reminders.all().map(reminderInfo);
    return { ...common, sequenceNumber: recovered.sequenceNumber, state, reminders };
  }

  async events(type: string, id: ActorId, after: SequenceNumber, limit: number): Promise<readonly PublicEvent[]> {
    const { definition } = this.#host.home(type);
    if (!definition.memory) throw unknownActor(type, id);
    const log = await this.#confirmed(type, id);
    const end = committedEnd(this.#host, log, type, id);
    if (!end || end.sequenceNumber === 0 || log.actor(definition.name, id)?.deleted) throw unknownActor(type, id);
    return readCommittedEvents(end, after, limit);
  }

  /** Events after `after`; if there are none yet, waits for some for at most `waitMs`, and may then answer none. */
  async eventsToCome(
    type: string,
    id: ActorId,
    after: SequenceNumber,
    limit: number,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<readonly PublicEvent[]> {
    this.#host.home(type);
    const { clock } = this.#host;
    const endMs = clock.monotonicMs() + waitMs;
    for (;;) {
      let hasNews = false;
      let wake = () => {};
      const nudge = () => {
        hasNews = true;
        wake();
      };
      const forget = this.#host.onCommit(type, id, nudge);
      signal?.addEventListener('abort', nudge);
      try {
        const log = await this.#confirmed(type, id);
        const events = readCommittedEvents(committedEnd(this.#host, log, type, id), after, limit);
        const leftMs = endMs - clock.monotonicMs();
        if (events.length > 0 || leftMs <= 0 || signal?.aborted) return events;
        if (hasNews) continue;
        await new Promise<void>((resolve) => {
          const cancel = clock.schedule(leftMs, resolve);
          wake = () => {
            cancel();
            resolve();
          };
        });
      } finally {
        forget();
        signal?.removeEventListener('abort', nudge);
      }
    }
  }

  /** By id in byte order, with the shards that the page speaks of. */
  async list(type: string, page: Page): Promise<LocalPage> {
    const { definition, activations } = this.#host.home(type);
    const logs = await this.#confirmAll();
    const shards = [...logs.keys()];
    if (!definition.memory) {
      const ids = [...activations.values()]
        .filter(({ actorHash: hash }) => logs.has(this.#host.shardOf(hash)))
        .map(({ id }) => id)
        .filter((id) => page.after === undefined || compareBytes(id, page.after) > 0)
        .sort(compareBytes);
      const actors = ids.slice(0, page.limit).map((id) => ({ id, status: 'active' as const, sequenceNumber: 0 }));
      return { shards, actors };
    }
    if (this.#journal.pendingBytes > 0) await this.#journal.flush();
    const actors: ActorSummary[] = [];
    for (let { after } = page; ; ) {
      const listed = await this.#journal.listActors(definition.name, after, page.limit);
      for (const entry of listed) {
        const log = logs.get(entry.shard);
        const summary = log && this.#summary(type, entry, log);
        if (summary && actors.length < page.limit) actors.push(summary);
      }
      if (listed.length < page.limit || actors.length >= page.limit) return { shards, actors };
      after = listed.at(-1)!.id;
    }
  }

  /** What of a listed actor is committed. */
  #summary(type: string, { id, newestPosition, ...entry }: ListedActor, log: OwnedShard): ActorSummary | undefined {
    let { sequenceNumber } = entry;
    if (newestPosition > log.committed) {
      const end = committedEnd(this.#host, log, type, id);
      if (!end || end.sequenceNumber === 0) return undefined;
      sequenceNumber = end.sequenceNumber;
    }
    return { id, status: this.#statusOf(type, id), sequenceNumber };
  }

  passivate(type: string, id: ActorId): Promise<void> {
    const { activations } = this.#host.home(type);
    this.#log(type, id);
    const activation = activations.get(id);
    if (!activation) return Promise.resolve();
    return new Promise((resolve) => activation.passivateWhenIdle(resolve));
  }

  resume(type: string, id: ActorId): void {
    this.#host.home(type);
    this.#log(type, id);
    this.#host.supervision.clear(type, id);
  }

  #statusOf(type: string, id: ActorId): ActorSummary['status'] {
    const standing = this.#host.supervision.standing(type, id, this.#host.clock.monotonicMs());
    if (standing.type === 'quarantined') return 'quarantined';
    return this.#host.home(type).activations.has(id) ? 'active' : 'passivated';
  }

  #log(type: string, id: ActorId): OwnedShard {
    const shard = this.#host.shardOf(actorHash(type, id));
    const log = this.#served(shard);
    if (!log) throw notHere(shard);
    return log;
  }

  async #confirmed(type: string, id: ActorId): Promise<OwnedShard> {
    const log = this.#log(type, id);
    await this.#confirm(log);
    return log;
  }

  async #confirmAll(): Promise<ReadonlyMap<ShardId, OwnedShard>> {
    const logs = new Map<ShardId, OwnedShard>();
    const { shardCount } = this.#journal.identity;
    for (let shard = 0; shard < shardCount; shard++) {
      const log = this.#served(shard);
      if (log) logs.set(shard, log);
    }
    await Promise.all([...logs.values()].map((log) => this.#confirm(log)));
    return logs;
  }

  #confirm(log: OwnedShard): Promise<void> {
    return new Promise((resolve, reject) => {
      log.confirm({ confirmed: resolve, lost: () => reject(notHere(log.shard)) });
    });
  }

  /** Makes a state beside the actor, in slices: looking does not wake it. */
  async #recover(
    definition: ActorDefinition,
    id: ActorId,
    log: OwnedShard,
    newest: number,
    through: SequenceNumber | undefined,
  ) {
    const { clock } = this.#host;
    const recovery = new Recovery({
      memory: definition.memory!,
      id,
      log,
      newest,
      ...(through === undefined ? {} : { through }),
    });
    try {
      for (;;) {
        const endMs = clock.monotonicMs() + 2;
        if (recovery.step(() => clock.monotonicMs() >= endMs)) return recovery.result;
        await new Promise<void>((resolve) => clock.defer(resolve));
      }
    } catch (error) {
      const message = (error as Error).message;
      throw through !== undefined
        ? new GreenroomError('BAD_REQUEST', `the state at ${through} cannot be made: ${message}`, { cause: error })
        : new GreenroomError('UNAVAILABLE', `the state cannot be recovered: ${message}`, { cause: error });
    }
  }
}

function notHere(shard: ShardId): GreenroomError {
  return new GreenroomError('UNAVAILABLE', `shard ${shard} is not served here now`, {
    retryAfterMs: 100,
    reroute: 'refused',
  });
}

/** Order of UTF-8 bytes, which is the order of code points (UTF-16 code units differ beyond the basic plane). */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
