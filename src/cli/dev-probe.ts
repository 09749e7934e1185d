/**
 * The load under which `greenroom dev` kills and starts nodes, and what its callers noticed. Each probe calls a counter
 * of its own, one call after another, through the nodes that stay; the counters lie in different shards. At the end each
 * counter must hold exactly what was acknowledged.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../client/index.ts';
import { actorHash } from '../core/hash.ts';
import type { ShardAnswer } from './cluster-view.ts';
import { type GreenroomProbe, probeTypeName } from './dev-probe-actor.ts';

/** Shards that are called at most: half of them of the node that is killed, if it has so many. */
export const probedShardsMax = 32;
/** Between two calls of one probe: a few hundred calls a second in all, which disturbs no machine. */
const restMs = 80;
/** A call that takes longer has failed. */
const callTimeout = '20s';

export interface ProbeResult {
  /** The longest that one call waited for its answer, in milliseconds. */
  readonly longestPauseMs: number;
  readonly calls: number;
  /** Acknowledged, and not in the counters. */
  readonly lost: number;
  /** In the counters more than once. */
  readonly doubled: number;
  /** Codes of calls that were answered with an error. */
  readonly failures: readonly string[];
}

interface Tally {
  readonly shard: number;
  readonly id: string;
  atFirst: number;
  acknowledged: number;
  /** Calls that may or may not have counted. */
  open: number;
  calls: number;
}

export class DevProbe {
  readonly #client: ReturnType<typeof connect>;
  readonly #tallies: readonly Tally[];
  readonly #loops: Promise<void>[] = [];
  readonly #failures: string[] = [];
  #longestPauseMs = 0;
  #isEnding = false;

  constructor(urls: readonly string[], token: string | undefined, shards: readonly number[], shardCount: number) {
    this.#client = connect(urls, { timeout: callTimeout, ...(token === undefined ? {} : { token }) });
    this.#tallies = shards.map((shard) => {
      return { shard, id: idInShard(shard, shardCount), atFirst: 0, acknowledged: 0, open: 0, calls: 0 };
    });
  }

  /** Wakes the counters and begins to call them. */
  async begin(): Promise<void> {
    await Promise.all(
      this.#tallies.map(async (tally) => {
        tally.atFirst = await this.#counter(tally).read();
      }),
    );
    for (const tally of this.#tallies) this.#loops.push(this.#call(tally));
  }

  /** Forgets how long calls waited so far: what is measured begins now. */
  mark(): void {
    this.#longestPauseMs = 0;
  }

  /** Resolves when every probe has begun a call after now, and has its answer. */
  async onceMore(): Promise<void> {
    const goals = this.#tallies.map(({ calls }) => calls + 2);
    while (this.#tallies.some(({ calls }, i) => calls < goals[i]!)) await sleep(restMs);
  }

  /** Ends the load and compares the counters with what was acknowledged. */
  async end(): Promise<ProbeResult> {
    this.#isEnding = true;
    await Promise.all(this.#loops);
    let lost = 0;
    let doubled = 0;
    for (const tally of this.#tallies) {
      const counted = (await this.#counter(tally).read()) - tally.atFirst;
      lost += Math.max(0, tally.acknowledged - counted);
      doubled += Math.max(0, counted - tally.acknowledged - tally.open);
    }
    this.#client.close();
    const calls = this.#tallies.reduce((sum, tally) => sum + tally.calls, 0);
    return { longestPauseMs: this.#longestPauseMs, calls, lost, doubled, failures: this.#failures };
  }

  /** Ends the load without a result. */
  abandon(): void {
    this.#isEnding = true;
    this.#client.close();
  }

  async #call(tally: Tally): Promise<void> {
    while (!this.#isEnding) {
      const begunMs = performance.now();
      try {
        await this.#counter(tally).count();
        tally.acknowledged += 1;
      } catch (error) {
        if (this.#isEnding) return;
        const { code = 'ERROR' } = error as { code?: string };
        if (code === 'OUTCOME_UNKNOWN') tally.open += 1;
        this.#failures.push(code);
      }
      tally.calls += 1;
      this.#longestPauseMs = Math.max(this.#longestPauseMs, performance.now() - begunMs);
      await sleep(restMs);
    }
  }

  #counter({ id }: Tally) {
    return this.#client.actor<GreenroomProbe>(probeTypeName, id);
  }
}

/** Half of the shards from the node that is killed, the others from the rest; spread evenly over each. */
export function shardsToProbe(shards: readonly ShardAnswer[], killed: string): readonly number[] {
  const most = spread(
    shards.filter(({ owner }) => owner === killed),
    probedShardsMax / 2,
  );
  const others = spread(
    shards.filter(({ owner }) => owner !== killed),
    probedShardsMax - most.length,
  );
  return [...most, ...others].map(({ shard }) => shard);
}

function spread<T>(all: readonly T[], count: number): readonly T[] {
  if (all.length <= count) return all;
  return Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
}

/** The same for a shard every time, so that experiments leave one counter per shard at most. */
export function idInShard(shard: number, shardCount: number): string {
  for (let i = 0; ; i++) {
    const id = `shard-${shard}.${i}`;
    if (actorHash(probeTypeName, id) % shardCount === shard) return id;
  }
}
