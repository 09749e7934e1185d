/**
 * Questions about actors, from any node: brought to whoever owns the shard, and again while it moves, until there is an
 * answer or the time is over. Listings ask every owner and put the pages together.
 */
import { GreenroomError } from '../core/errors.ts';
import type { ActorId, NodeName, SequenceNumber, ShardId, StoreId } from '../core/ids.ts';
import type { ActorSummary, Inspection, Page, PublicEvent } from './gateway.ts';
import { compareBytes, type LocalInspection, type LocalPage, type LocalReads } from './local-reads.ts';
import type { ClusterMember } from './member.ts';

export interface ClusterReadsOptions {
  readonly member: ClusterMember;
  readonly local: LocalReads;
  readonly shardOf: (type: string, id: string) => ShardId;
  readonly nowMs: () => number;
  readonly schedule: (delayMs: number, task: () => void) => void;
}

const readTimeoutMs = 10_000;
const askAgainMs = 50;
/** Events read at a time by a follower… */
const followPageMax = 200;
/** …and how long one question of it may wait for the first. */
const followWaitMs = 5_000;

type Actor = readonly [type: string, id: ActorId];

export class ClusterReads {
  readonly #options: ClusterReadsOptions;

  constructor(options: ClusterReadsOptions) {
    this.#options = options;
  }

  /** The handler of questions from other nodes. */
  async answer(name: string, input: unknown): Promise<unknown> {
    const { local } = this.#options;
    const [type, id, ...rest] = input as [string, ActorId, ...number[]];
    switch (name) {
      case 'inspect':
        return local.inspect(type, id, rest[0]);
      case 'events':
        return local.events(type, id, rest[0]!, rest[1]!);
      case 'follow':
        return local.eventsToCome(type, id, rest[0]!, rest[1]!, rest[2]!);
      case 'passivate':
        return local.passivate(type, id);
      case 'resume':
        return local.resume(type, id);
      case 'list': {
        const [, after, limit] = input as [string, string | undefined, number];
        return local.list(type, { after, limit });
      }
      default:
        throw new GreenroomError('BAD_REQUEST', `there is no question '${name}'`);
    }
  }

  async inspect(type: string, id: ActorId, at?: SequenceNumber): Promise<Inspection> {
    const inspection = (await this.#ask([type, id], 'inspect', at === undefined ? [] : [at])) as LocalInspection;
    const { map } = this.#options.member;
    const nameOf = (store: StoreId) => map?.members.get(store)?.node ?? (store as string as NodeName);
    const placement = map!.shards[inspection.shard]!;
    const { sequenceNumber, state, ...head } = inspection;
    const { owner, replicas } = placement.assigned;
    return { ...head, node: nameOf(owner), replicas: replicas.map(nameOf), sequenceNumber, state };
  }

  events(type: string, id: ActorId, after: SequenceNumber, limit: number): Promise<readonly PublicEvent[]> {
    return this.#ask([type, id], 'events', [after, limit]) as Promise<readonly PublicEvent[]>;
  }

  async *follow(type: string, id: ActorId, after: SequenceNumber, signal: AbortSignal): AsyncGenerator<PublicEvent> {
    const { member, local, shardOf } = this.#options;
    const shard = shardOf(type, id);
    for (let seen = after; !signal.aborted; ) {
      let events: readonly PublicEvent[];
      try {
        events = member.shards.served(shard)
          ? await local.eventsToCome(type, id, seen, followPageMax, followWaitMs, signal)
          : ((await this.#ask([type, id], 'follow', [seen, followPageMax, followWaitMs])) as readonly PublicEvent[]);
      } catch (error) {
        // The shard is moving: the stream pauses.
        if (!(error instanceof GreenroomError) || error.code !== 'UNAVAILABLE') throw error;
        await this.#pause();
        continue;
      }
      for (const event of events) {
        if (signal.aborted) return;
        seen = event.sequenceNumber;
        yield event;
      }
    }
  }

  async passivate(type: string, id: ActorId): Promise<void> {
    await this.#ask([type, id], 'passivate', []);
  }

  async resume(type: string, id: ActorId): Promise<void> {
    await this.#ask([type, id], 'resume', []);
  }

  async list(type: string, page: Page): Promise<readonly ActorSummary[]> {
    const { member, local, nowMs } = this.#options;
    const endMs = nowMs() + readTimeoutMs;
    for (;;) {
      const { map } = member;
      const owners = new Set(map?.shards.map(({ assigned }) => assigned.owner));
      const pages = await Promise.allSettled(
        [...owners].map((owner) =>
          owner === member.storeId
            ? local.list(type, page)
            : (member.queries.ask(owner, 'list', [type, page.after, page.limit], 5_000) as Promise<LocalPage>),
        ),
      );
      const answers = pages.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      const covered = new Set(answers.flatMap(({ shards }) => shards));
      if (map && covered.size === map.shards.length) {
        const all = answers.flatMap(({ actors }) => actors).sort((a, b) => compareBytes(a.id, b.id));
        return all.slice(0, page.limit);
      }
      for (const result of pages) {
        const error = result.status === 'rejected' ? result.reason : undefined;
        if (error instanceof GreenroomError && error.reroute === undefined) throw error;
      }
      if (nowMs() >= endMs)
        throw new GreenroomError('UNAVAILABLE', 'not all shards are served now, so the list would have holes', {
          retryAfterMs: 500,
        });
      await this.#pause();
    }
  }

  async #ask([type, id]: Actor, name: string, rest: readonly unknown[]): Promise<unknown> {
    const { member, shardOf, nowMs } = this.#options;
    const shard = shardOf(type, id);
    const endMs = nowMs() + readTimeoutMs;
    let problem = 'it has no owner';
    for (;;) {
      try {
        if (member.shards.served(shard)) return await this.answer(name, [type, id, ...rest]);
        const placement = member.map?.shards[shard];
        const owner = placement?.assigned.owner;
        if (owner !== undefined && owner !== member.storeId)
          return await member.queries.ask(owner, name, [type, id, ...rest], readTimeoutMs);
      } catch (error) {
        if (!(error instanceof GreenroomError) || error.reroute === undefined) throw error;
        problem = error.message;
      }
      if (nowMs() >= endMs)
        throw new GreenroomError('UNAVAILABLE', `shard ${shard} cannot be asked now: ${problem}`, {
          retryAfterMs: 500,
        });
      await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.schedule(askAgainMs, resolve));
  }
}
