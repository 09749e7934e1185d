/** A workload inside a node's process, through the public API. */
import type { Actor, ActorType } from '../actors/actor.ts';
import type { GreenroomNode } from '../start-node.ts';
import { benchActors } from './actors.ts';
import { closedLoop } from './load/closed-loop.ts';
import { keyChooser } from './load/keys.ts';
import type { LoadResult } from './load/load-result.ts';
import { ObservedLoad } from './load/observed-load.ts';
import { type Call, callChooser, runOnKeys, type Workload } from './load/workload.ts';

type AnyRef = Readonly<Record<string, (input: unknown) => Promise<unknown>>>;
type AnyTell = Readonly<Record<string, (input: unknown) => void>>;

export function runInNode(node: GreenroomNode, workload: Workload): Promise<LoadResult> {
  return workload.how === 'tell' ? runTells(node, workload) : runAsks(node, workload);
}

/** An open loop of asks whose every call is remembered; it runs until it is stopped. */
export function observeInNode(node: GreenroomNode, workload: Workload): ObservedLoad {
  const { load, keys, how } = workload;
  if (load.type !== 'open' || how !== 'ask') throw new Error('what is observed is an open loop of asks');
  return new ObservedLoad(load, keys, asksOf(node, workload));
}

function runAsks(node: GreenroomNode, workload: Workload): Promise<LoadResult> {
  return runOnKeys(workload.load, workload.keys, asksOf(node, workload));
}

function asksOf(node: GreenroomNode, { calls, idPrefix, keys }: Workload): (key: number) => Promise<unknown> {
  const asks = calls.map((call) => {
    const refs = refsOf(node, call, idPrefix, keys.count);
    const { command, input } = call;
    return (key: number) => refs[key]![command]!(input);
  });
  const nextCall = callChooser(calls);
  return asks.length === 1 ? asks[0]! : (key) => asks[nextCall()]!(key);
}

/**
 * Tells have no answer. The ask behind each `inFlight` of them is what keeps the sender from running ahead of the actors:
 * it is queued behind them, so that its reply says that they have been run.
 */
function runTells(node: GreenroomNode, { calls, idPrefix, keys, load }: Workload): Promise<LoadResult> {
  const [call] = calls;
  if (load.type !== 'closed' || calls.length !== 1) throw new Error('tells are of one command, in a closed loop');
  const { command, input } = call!;
  const refs = refsOf(node, call!, idPrefix, keys.count);
  const tells = refs.map((ref) => node.tell(ref as object) as unknown as AnyTell);
  const nextKey = keyChooser(keys);
  const { inFlight } = load;
  return closedLoop({ ...load, inFlight: 1, operationsEach: inFlight, timedEvery: 1 }, () => {
    let key = 0;
    for (let i = 0; i < inFlight; i++) {
      key = nextKey();
      tells[key]![command]!(input);
    }
    return refs[key]![command]!(input);
  });
}

function refsOf(node: GreenroomNode, { actorType }: Call, idPrefix: string, count: number): readonly AnyRef[] {
  const type = benchActors.find(({ name }) => name === actorType);
  if (!type) throw new Error(`no actor type of the benchmarks is called ${actorType}`);
  return Array.from(
    { length: count },
    (_, key) => node.actor(type as ActorType<Actor>, `${idPrefix}${key}`) as unknown as AnyRef,
  );
}
