/**
 * Whether a history could have come from one thing at a time (P5): is there an order of the operations that keeps to
 * real time (what ended before another began comes first) and in which a sequential model gives every answer that was
 * given? An operation of unknown outcome may take effect at any time after it began, or never.
 *
 * The search of Wing & Gong (1993) with Lowe's memory of configurations (2017), one actor at a time, because
 * linearizability is a local property. A configuration is (set of operations done, state of the model).
 */
import { describeOperation, type Operation } from './history.ts';

/** What one actor does, one command at a time. */
export interface SequentialModel<State> {
  readonly initial: State;
  /**
   * The state after the operation; undefined if its outcome is not possible in this state. For an unknown outcome: the
   * state after it took effect.
   */
  apply(state: State, operation: Operation): State | undefined;
  /** Equal for equal states, and only for those. */
  key(state: State): string | number;
}

export type Verdict =
  | { readonly type: 'linearizable' }
  /** `stuck` describes how far the longest order came, and what does not fit. */
  | { readonly type: 'violation'; readonly stuck: readonly string[] }
  /** Too many configurations: nothing is known. */
  | { readonly type: 'undecided' };

/** Operations of one actor at most; histories are kept shorter by the workload. */
export const operationsMax = 300;
/** Configurations looked at before giving up. */
export const configurationsMax = 2_000_000;

/** An operation's beginning or its end, in a list doubly linked so that an operation can be lifted out and put back. */
interface Entry {
  readonly operation: number;
  readonly isEnd: boolean;
  /** The end that belongs to a beginning; undefined if the outcome is unknown. */
  end: Entry | undefined;
  previous: Entry | undefined;
  next: Entry | undefined;
}

/** A choice on the way: which operation was put next, and the state before it. */
interface Choice<State> {
  readonly entry: Entry;
  readonly before: State;
}

export function checkLinearizable<State>(
  all: readonly Operation[],
  model: SequentialModel<State>,
  limit = configurationsMax,
): Verdict {
  const operations = all.filter(({ outcome }) => outcome.type !== 'notExecuted');
  const head = entriesOf(operations);
  let openEnds = operations.filter(({ ended }) => Number.isFinite(ended)).length;
  const seen = new Set<string>();
  const names = operations.map((_, index) => nameOf(index));
  let [low, high] = [0, 0];
  const choices: Choice<State>[] = [];
  let longest: number[] = [];
  let state = model.initial;
  let entry = head.next;
  while (openEnds > 0) {
    if (entry !== undefined && !entry.isEnd) {
      const after = model.apply(state, operations[entry.operation]!);
      const [a, b] = names[entry.operation]!;
      if (after !== undefined) {
        const configuration = `${(low ^ a) >>> 0}.${(high ^ b) >>> 0}.${model.key(after)}`;
        if (!seen.has(configuration)) {
          if (seen.size >= limit) return { type: 'undecided' };
          seen.add(configuration);
          choices.push({ entry, before: state });
          [low, high] = [low ^ a, high ^ b];
          state = after;
          if (entry.end) openEnds -= 1;
          lift(entry);
          if (choices.length > longest.length) longest = choices.map((choice) => choice.entry.operation);
          entry = head.next;
          continue;
        }
      }
      entry = entry.next;
      continue;
    }
    // An operation ends that was not put anywhere: the last choice was wrong.
    const last = choices.pop();
    if (last === undefined) return { type: 'violation', stuck: describeStuck(operations, longest) };
    const [a, b] = names[last.entry.operation]!;
    [low, high] = [low ^ a, high ^ b];
    state = last.before;
    if (last.entry.end) openEnds += 1;
    putBack(last.entry);
    entry = last.entry.next;
  }
  return { type: 'linearizable' };
}

/** Two random-looking numbers per operation: their exclusive or names a set of operations. */
function nameOf(index: number): readonly [number, number] {
  return [mix(index * 2 + 1), mix(index * 2 + 2)];
}

function mix(value: number): number {
  let mixed = Math.imul(value, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function entriesOf(operations: readonly Operation[]): Entry {
  const places: { readonly at: number; readonly entry: Entry }[] = [];
  operations.forEach(({ invoked, ended }, operation) => {
    const begin: Entry = { operation, isEnd: false, end: undefined, previous: undefined, next: undefined };
    places.push({ at: invoked, entry: begin });
    if (!Number.isFinite(ended)) return;
    begin.end = { operation, isEnd: true, end: undefined, previous: undefined, next: undefined };
    places.push({ at: ended, entry: begin.end });
  });
  places.sort((a, b) => a.at - b.at);
  const head: Entry = { operation: -1, isEnd: false, end: undefined, previous: undefined, next: undefined };
  let last = head;
  for (const { entry } of places) {
    last.next = entry;
    entry.previous = last;
    last = entry;
  }
  return head;
}

function lift(entry: Entry): void {
  unlink(entry);
  if (entry.end) unlink(entry.end);
}

function unlink(entry: Entry): void {
  entry.previous!.next = entry.next;
  if (entry.next) entry.next.previous = entry.previous;
}

/** Undoes {@link lift}, in the opposite order. */
function putBack(entry: Entry): void {
  if (entry.end) relink(entry.end);
  relink(entry);
}

function relink(entry: Entry): void {
  entry.previous!.next = entry;
  if (entry.next) entry.next.previous = entry;
}

function describeStuck(operations: readonly Operation[], longest: readonly number[]): string[] {
  const done = new Set(longest);
  const fits = longest.slice(-5).map((index) => `  fits: ${describeOperation(operations[index]!)}`);
  const rest = operations
    .filter((_, index) => !done.has(index))
    .sort((a, b) => a.ended - b.ended)
    .slice(0, 5)
    .map((operation) => `  left: ${describeOperation(operation)}`);
  return [`no order explains the answers; the longest has ${longest.length} of ${operations.length}`, ...fits, ...rest];
}
