/** Kills or starts a node under a small load, and says what callers noticed of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '../core/duration.ts';
import { type ClusterView, clusterView, movedBetween, notServed } from './cluster-view.ts';
import { DevProbe, type ProbeResult, shardsToProbe } from './dev-probe.ts';
import { NodeApi } from './node-api.ts';

/** How long the load runs before anything is done: every counter is awake by then. */
const runInMs = 300;
const lookEveryMs = 100;
/** A node that died with a question in its queue may never answer it, nor end its connection. */
const viewWithinMs = 2_000;
/** Moves are paced, so a cluster that still moves shards looks still for moments. */
const stillForMs = 1_000;
/** If the cluster has not settled by then, the line says so. */
export const settleWithinMs = 30_000;

export interface Noticed extends ProbeResult {
  /** Shards that have another owner than before. */
  readonly moved: number;
  /** Shards that nobody serves, though {@link settleWithinMs} are over. */
  readonly notServed: number;
}

export interface Experiment {
  /** The node that is killed or started. */
  readonly node: string;
  /** Of the nodes that stay. */
  readonly urls: readonly string[];
  readonly token: string | undefined;
  readonly act: () => Promise<void>;
  readonly isDone: (view: ClusterView) => boolean;
}

/** @returns undefined if the cluster could not be called even before: then there is nothing to compare with */
export async function runExperiment({ node, urls, token, act, isDone }: Experiment): Promise<Noticed | undefined> {
  const before = await viewOf(urls, token);
  const isServed = before !== undefined && before.cluster.leader !== null && notServed(before).length === 0;
  if (!isServed) {
    await act();
    return undefined;
  }
  const probe = new DevProbe(urls, token, shardsToProbe(before.shards, node), before.shards.length);
  try {
    await probe.begin();
    await sleep(runInMs);
    probe.mark();
    await act();
    const after = await settled(urls, token, isDone);
    const unserved = after === undefined ? before.shards.length : notServed(after).length;
    if (unserved === 0) await probe.onceMore();
    const moved = after === undefined ? 0 : movedBetween(before, after);
    return { ...(await probe.end()), moved, notServed: unserved };
  } catch {
    return undefined;
  } finally {
    probe.abandon();
  }
}

/** The view once it is as wanted and still, or as it is when the time is over. */
export async function settled(
  urls: readonly string[],
  token: string | undefined,
  isDone: (view: ClusterView) => boolean,
  withinMs = settleWithinMs,
): Promise<ClusterView | undefined> {
  const endMs = performance.now() + withinMs;
  let last: ClusterView | undefined;
  let stillSinceMs = performance.now();
  for (;;) {
    const view = await viewOf(urls, token);
    const nowMs = performance.now();
    if (view?.cluster.mapVersion !== last?.cluster.mapVersion) stillSinceMs = nowMs;
    last = view;
    const isStill = nowMs - stillSinceMs >= stillForMs;
    if ((view !== undefined && isStill && isDone(view)) || nowMs >= endMs) return view;
    await sleep(lookEveryMs);
  }
}

/** As the first of the nodes that answers sees it. */
export async function viewOf(urls: readonly string[], token: string | undefined): Promise<ClusterView | undefined> {
  for (const url of urls) {
    const view = await clusterView(new NodeApi(url, token), { timeoutMs: viewWithinMs }).catch(() => undefined);
    if (view !== undefined) return view;
  }
  return undefined;
}

/** `b killed · 86 shards moved · longest pause 0.9 s · 0 commands lost` */
export function experimentLine(what: string, noticed: Noticed): string {
  const { moved, longestPauseMs, lost, doubled, failures, notServed: unserved } = noticed;
  const count = (n: number, one: string) => `${n} ${one}${n === 1 ? '' : 's'}`;
  return [
    what,
    `${count(moved, 'shard')} moved`,
    `longest pause ${formatDuration(longestPauseMs)}`,
    `${count(lost, 'command')} lost`,
    ...(doubled === 0 ? [] : [`${count(doubled, 'command')} executed twice`]),
    ...(failures.length === 0
      ? []
      : [`${count(failures.length, 'call')} failed (${[...new Set(failures)].join(', ')})`]),
    ...(unserved === 0 ? [] : [`${count(unserved, 'shard')} not served after ${formatDuration(settleWithinMs)}`]),
  ].join(' · ');
}
