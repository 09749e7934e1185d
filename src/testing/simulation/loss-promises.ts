/**
 * What has to hold after an accepted loss, on lists of unique tokens: of what was acknowledged before, the end may be
 * missing, from one place on; everything acknowledged after is there; nothing is there twice, and nothing that nobody
 * sent. Pure: from what clients were told, and what is there in the end. (That what is missing is the end of a log, and
 * nothing from its middle, is checked on the logs themselves: `Invariants.lossAccepted`.)
 */
import type { Operation } from './history.ts';

export interface LossHistory {
  /** Of `Tokens` actors; others are left out. */
  readonly operations: readonly Operation[];
  /** The lists at the end, by `type/id`. */
  readonly last: ReadonlyMap<string, unknown>;
  /** When the last of the disks was lost. Whatever began later is kept. */
  readonly lostAtMs: number;
  /** Too few copies of what the actor is on were left, and that was accepted. */
  readonly mayHaveLost: (actor: string) => boolean;
}

export interface LossFinding {
  readonly promise: 'P2' | 'P3' | 'P4' | 'P5';
  readonly what: string;
}

export interface LossFindings {
  readonly violations: readonly LossFinding[];
  /** Tokens that were acknowledged, and rightly are gone. */
  readonly lost: number;
  /** Tokens that were acknowledged before the loss by actors that it hit, and are there. */
  readonly kept: number;
  /**
   * Tokens that were acknowledged, and are there in another place: an owner had recorded them that was fenced before they
   * were committed, the next one recorded and acknowledged them again, and the log of the first is what was left.
   */
  readonly elsewhere: number;
}

/** Somebody was told that the list held this token at this place, and was so long. */
interface Told {
  readonly operation: Operation;
  /** Tokens by their place, from 0. */
  readonly tokens: ReadonlyMap<number, string>;
  readonly length: number;
  readonly appended: boolean;
}

export function checkAfterLoss({ operations, last, lostAtMs, mayHaveLost }: LossHistory): LossFindings {
  const violations: LossFinding[] = [];
  let [lost, kept, elsewhere] = [0, 0, 0];
  const actors = new Map<string, Operation[]>();
  for (const operation of operations) {
    if (!operation.actor.startsWith('Tokens/')) continue;
    const known = actors.get(operation.actor);
    if (known) known.push(operation);
    else actors.set(operation.actor, [operation]);
  }
  for (const [actor, own] of actors) {
    const list = last.get(actor) as readonly string[] | undefined;
    if (!list) continue;
    const found = (promise: LossFinding['promise'], what: string) =>
      violations.push({ promise, what: `${actor}: ${what}` });
    const isHit = mayHaveLost(actor);
    const told = own.flatMap((operation) => toldBy(operation) ?? []);
    const isBefore = ({ operation }: Told) => isHit && operation.endedAtMs <= lostAtMs;
    const isAfter = ({ operation }: Told) => !isHit || operation.invokedAtMs > lostAtMs;
    checkContents(own, list, (operation) => isHit && operation.invokedAtMs <= lostAtMs, found);

    for (const each of told.filter(isAfter))
      for (const [place, token] of each.tokens)
        if (list[place] !== token) found('P2', `${token} was at ${place}, where ${list[place]} is in the end`);

    const before = told.filter(isBefore);
    const cutAt = Math.min(
      list.length,
      ...before.flatMap(({ tokens }) =>
        [...tokens].flatMap(([place, token]) => (list[place] === token ? [] : [place])),
      ),
    );
    const there = new Set(list);
    const counted = new Set<string>();
    for (const { tokens } of before) {
      for (const [place, token] of tokens) {
        if (counted.has(token)) continue;
        counted.add(token);
        if (place < cutAt) kept++;
        else if (there.has(token)) elsewhere++;
        else lost++;
      }
    }
    const keptLength = Math.max(
      0,
      ...before.flatMap(({ tokens }) => [...tokens.keys()].filter((at) => at < cutAt)).map((at) => at + 1),
    );
    for (const each of told.filter(isAfter))
      if (isHit && each.length < keptLength)
        found('P5', `${describe(each)} after the loss, where ${keptLength} were kept`);
    checkOrder(before, found);
    checkOrder(told.filter(isAfter), found);
  }
  return { violations, lost, kept, elsewhere };
}

/** Nothing twice (P4), nothing that nobody sent or that was undone, no halves (P3). */
function checkContents(
  operations: readonly Operation[],
  list: readonly string[],
  mayComeTwice: (operation: Operation) => boolean,
  found: (promise: LossFinding['promise'], what: string) => void,
): void {
  const senders = new Map<string, Operation>();
  for (const operation of operations)
    if (operation.outcome.type === 'reply' || operation.outcome.type === 'unknown')
      for (const token of tokensOf(operation)) senders.set(token, operation);
  const seen = new Set<string>();
  list.forEach((token, place) => {
    const sender = senders.get(token);
    if (!sender) found('P3', `${token} at ${place} was never sent, or never kept`);
    else if (seen.has(token) && !mayComeTwice(sender)) found('P4', `${token} is there twice`);
    seen.add(token);
    if (token.endsWith('/1') && list[place + 1] !== token.replace(/1$/, '2')) found('P3', `${token} is half of a pair`);
  });
}

/** What ended before something else began was not longer (P5). */
function checkOrder(told: readonly Told[], found: (promise: LossFinding['promise'], what: string) => void): void {
  for (const second of told) {
    const first = told.find(
      ({ operation, length }) =>
        operation.ended < second.operation.invoked && second.length < length + (second.appended ? 1 : 0),
    );
    if (first) found('P5', `${describe(second)}, after ${describe(first)}`);
  }
}

function describe({ operation, length }: Told): string {
  return `${operation.client} was told of ${length} tokens by ${operation.command} at ${Math.round(operation.endedAtMs)} ms`;
}

function tokensOf({ command, input }: Operation): readonly string[] {
  if (command === 'append') return [input as string];
  return command === 'appendPair' ? [`${input}/1`, `${input}/2`] : [];
}

function toldBy(operation: Operation): Told | undefined {
  const { command, outcome } = operation;
  if (outcome.type !== 'reply') return undefined;
  if (command === 'read') {
    const list = outcome.reply as readonly string[];
    return { operation, tokens: new Map(list.entries()), length: list.length, appended: false };
  }
  const length = outcome.reply as number;
  const appended = tokensOf(operation);
  const tokens = new Map(appended.map((token, index) => [length - appended.length + index, token]));
  return { operation, tokens, length, appended: appended.length > 0 };
}
