/**
 * The cluster map as the benchmarks read it, over HTTP: whether everything has found its place, and what changed when.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClusterView, clusterAnswer, notServed, type ShardAnswer, shardAnswers } from '../cli/cluster-view.ts';
import { NodeApi } from '../cli/node-api.ts';

/** Moves are paced, so a cluster that still moves shards looks still for moments. */
const stillForMs = 1_500;
/** A node is left alone from nine tenths of its share (docs/allocation.md). */
const leastOfShare = 0.9;
const answerWithinMs = 5_000;

/** The map at a moment: it was asked for after `askedMs` and had arrived at `atMs` (milliseconds since 1970). */
export interface MapMoment {
  readonly askedMs: number;
  readonly atMs: number;
  /** The last time that it was asked for and was still the same. */
  readonly unchangedMs: number;
  readonly view: ClusterView;
}

export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** What is not yet as it should be, for people; undefined if everything is in its place. */
export function outOfPlace({ cluster, shards }: ClusterView, nodes: number): string | undefined {
  const up = cluster.members.filter(({ status }) => status === 'up');
  if (up.length !== nodes || cluster.members.length !== nodes)
    return `of ${nodes} nodes ${up.length} are up, and ${cluster.members.length} are members`;
  const unreachable = up.filter(({ reachable }) => reachable === false);
  if (unreachable.length > 0) return `${unreachable.map(({ node }) => node).join(', ')} cannot be reached`;
  const unserved = notServed({ cluster, shards }).length;
  if (unserved > 0) return `${unserved} shards are not served`;
  const copies = Math.min(cluster.replicas ?? 1, nodes);
  const few = shards.filter(({ replicas, learners }) => replicas.length < copies || learners.length > 0).length;
  if (few > 0) return `${few} shards have fewer than ${copies} copies, or make one`;
  const many = shards.filter(({ replicas }) => replicas.length > copies).length;
  if (many > 0) return `${many} shards have more than ${copies} copies`;
  const share = shards.length / nodes;
  const least = Math.floor(Math.min(share * leastOfShare, share - 1));
  const short = up.find(({ node }) => shards.filter(({ owner }) => owner === node).length < least);
  return short ? `${short.node} owns less than ${least} of ${shards.length} shards` : undefined;
}

/** Follows the map from the first of the nodes that answers, and keeps each version of it that was seen. */
export class MapWatch {
  readonly #moments: { -readonly [field in keyof MapMoment]: MapMoment[field] }[] = [];
  readonly #urls: () => readonly string[];
  readonly #lookEveryMs: number;
  readonly #watching: Promise<void>;
  #lastSeen = '';
  #isOver = false;

  /** Begins at once. */
  constructor(urls: () => readonly string[], lookEveryMs: number) {
    this.#urls = urls;
    this.#lookEveryMs = lookEveryMs;
    this.#watching = this.#watch();
  }

  get moments(): readonly MapMoment[] {
    return this.#moments;
  }

  get last(): MapMoment | undefined {
    return this.#moments.at(-1);
  }

  /**
   * Waits until everything is in its place on so many nodes, and has been for a while.
   *
   * @returns when the last change was
   * @throws Error that says what is not, if it takes longer than `withinMs`
   */
  async settled(nodes: number, withinMs: number, onWait: (what: string) => void = () => {}): Promise<number> {
    const endMs = nowMs() + withinMs;
    for (;;) {
      const { last } = this;
      const wrong = last === undefined ? 'no node says how the cluster is' : outOfPlace(last.view, nodes);
      if (last && wrong === undefined && nowMs() - last.atMs >= stillForMs) return last.atMs;
      if (nowMs() > endMs) throw new Error(`after ${Math.round(withinMs / 1_000)} s ${wrong ?? 'shards still move'}`);
      if (wrong !== undefined) onWait(wrong);
      await sleep(this.#lookEveryMs);
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      for (const url of this.#urls()) if (await this.#look(url)) break;
      await sleep(this.#lookEveryMs);
    }
  }

  /** The shards are fetched only if something is new. */
  async #look(url: string): Promise<boolean> {
    const askedMs = nowMs();
    try {
      const api = new NodeApi(url, undefined);
      const cluster = await clusterAnswer(api, { timeoutMs: answerWithinMs });
      const seen = `${cluster.mapVersion} ${cluster.members.map((m) => `${m.node} ${m.status} ${m.reachable}`).join()}`;
      if (seen === this.#lastSeen) {
        this.#moments.at(-1)!.unchangedMs = askedMs;
        return true;
      }
      const view = { cluster, shards: await shardAnswers(api, { timeoutMs: answerWithinMs }) };
      this.#moments.push({ askedMs, atMs: nowMs(), unchangedMs: askedMs, view });
      this.#lastSeen = seen;
      return true;
    } catch {
      return false;
    }
  }
}

/** A shard that changed its owner, and between which looks. */
export interface OwnerMove {
  readonly shard: number;
  readonly from: string;
  readonly to: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export function ownerMoves(moments: readonly MapMoment[]): readonly OwnerMove[] {
  return pairs(moments).flatMap(([before, after]) =>
    shardPairs(before, after)
      .filter(([old, now]) => old.owner !== now.owner)
      .map(([old, now]) => ({
        shard: now.shard,
        from: old.owner,
        to: now.owner,
        notBeforeMs: before.unchangedMs,
        notAfterMs: after.atMs,
      })),
  );
}

/** Copies that were made, by the node they are on: of a shard that it became a replica of and was none before. */
export function copiesMade(moments: readonly MapMoment[]): ReadonlyMap<string, number> {
  const made = new Map<string, number>();
  for (const [old, now] of pairs(moments).flatMap(([before, after]) => shardPairs(before, after))) {
    // Learners are left out: a shard that starts does not name its own, so they would be counted once more afterwards.
    for (const node of now.replicas) if (!old.replicas.includes(node)) made.set(node, (made.get(node) ?? 0) + 1);
  }
  return made;
}

function pairs(moments: readonly MapMoment[]): (readonly [MapMoment, MapMoment])[] {
  return moments.slice(1).map((after, index) => [moments[index]!, after]);
}

function shardPairs(before: MapMoment, after: MapMoment): (readonly [ShardAnswer, ShardAnswer])[] {
  const old = new Map(before.view.shards.map((shard) => [shard.shard, shard]));
  return after.view.shards.flatMap((now) => {
    const was = old.get(now.shard);
    return was ? [[was, now] as const] : [];
  });
}
