/**
 * Random lives of a node whose actors talk and wait: reminders, intervals and tells, through crashes at any moment (also
 * between a commit and the delivery), passivations, and a wall clock that is set forward and back; all from one seed.
 * What comes out is held against what was promised: each tick and each tell has exactly one effect, in order.
 */
import { eventSourced } from '../../src/actors/actor.ts';
import { Rejection } from '../../src/core/errors.ts';
import type { ActorId, CommandId } from '../../src/core/ids.ts';
import { seededRandom } from '../../src/core/random.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { type TestNode, testNode } from './harness.ts';

type Noted = { kind: 'set' | 'rang' | 'heard' | 'beat'; token: string; next: number };

class Clerk extends eventSourced({
  initialState: () => ({ notes: [] as readonly Noted[], told: 0 }),
  events: {
    Noted: (s, note: Noted) => ({ ...s, notes: [...s.notes, note] }),
    Told: (s, _to: { to: string }) => ({ ...s, told: s.told + 1 }),
  },
  snapshotEvery: 4,
}) {
  set(input: { token: string; afterMs: number; to: string }) {
    this.persist('Noted', { kind: 'set', token: input.token, next: 0 });
    this.remind(input.token, { after: input.afterMs }).ring({ token: input.token, to: input.to });
  }
  /** Whether it was still to come. */
  drop(token: string) {
    const isThere = this.reminders().some(({ name }) => name === token);
    this.forget(token);
    return isThere;
  }
  ring({ token, to }: { token: string; to: string }) {
    this.persist('Noted', { kind: 'rang', token, next: 0 });
    this.tell(this.actor(Clerk, to)).hear(`${this.id}:${token}`);
    this.tell(this.actor(Clerk, to)).refuse(`${this.id}:${token}`);
  }
  async ask({ token, to }: { token: string; to: string }) {
    await this.actor(Clerk, to).hear(`${this.id}:${token}`);
    this.persist('Noted', { kind: 'rang', token, next: 0 });
  }
  askLater(input: { token: string; afterMs: number; to: string }) {
    this.persist('Noted', { kind: 'set', token: input.token, next: 0 });
    this.remind(input.token, { after: input.afterMs }).ask({ token: input.token, to: input.to });
  }
  hear(token: string) {
    this.persist('Noted', { kind: 'heard', token, next: 0 });
  }
  refuse(token: string) {
    throw new Rejection('NO', token);
  }
  start(missed: 'all' | 'fire-once' | 'skip') {
    this.remind(`beat-${missed}`, { every: beatMs, missed }).beat(missed);
  }
  beat(missed: string) {
    const next = this.reminders().find(({ name }) => name === `beat-${missed}`)?.dueAt ?? 0;
    this.persist('Noted', { kind: 'beat', token: missed, next });
  }
  stop() {
    for (const { name } of this.reminders()) if (name.startsWith('beat-')) this.forget(name);
  }
  all() {
    return this.state.notes;
  }
}

const clerks = ['a', 'b', 'c'] as const;
const beatMs = 300;
const clientCount = 3;
const commandsPerClient = 20;
const stepsMax = 30_000;

export interface TalkingOutcome {
  readonly violations: readonly string[];
  readonly crashes: number;
  readonly rang: number;
  readonly heard: number;
  readonly beats: number;
  readonly deadLetters: number;
}

interface Promised {
  readonly clerk: string;
  readonly to: string;
  /** It tells when it rings, and something that is refused; else it asks. */
  readonly tells: boolean;
  /** A drop says whether it was in time. */
  dropped: boolean;
}

/** One life, from its seed. */
export async function simulateTalking(seed: number): Promise<TalkingOutcome> {
  const random = seededRandom(seed);
  const below = (count: number) => Math.floor(random.next() * count);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const clock = new VirtualClock();
  const violations: string[] = [];
  const promised = new Map<string, Promised>();
  let node: TestNode = await testNode([Clerk], { clock, maxActive: 2, attemptsMax: Number.POSITIVE_INFINITY });
  let crashes = 0;
  let finished = 0;
  let died: (() => void)[] = [];

  const send = async (clerk: string, command: string, input: unknown, key?: string): Promise<unknown> => {
    for (;;) {
      const death = new Promise<'died'>((resolve) => died.push(() => resolve('died')));
      const id = clerk as ActorId;
      const answer = node.node
        .command({ type: 'Clerk', id, command, input, key: key as CommandId | undefined, timeoutMs: 5_000 })
        .then(
          ({ reply }) => ({ reply }),
          (error: { code?: string }) => ({ error }),
        );
      const outcome = await Promise.race([answer, death]);
      if (outcome !== 'died' && 'reply' in outcome) return outcome.reply;
      const code = outcome === 'died' ? 'died' : (outcome.error.code ?? String(outcome.error));
      if (!['died', 'OUTCOME_UNKNOWN', 'UNAVAILABLE', 'OVERLOADED', 'ASK_CYCLE'].includes(code))
        violations.push(`${clerk}.${command}: ${code}`);
      for (let wait = 1 + below(5); wait > 0; wait--) await turn();
    }
  };
  const client = async (name: string) => {
    const mine: string[] = [];
    for (let count = 1; count <= commandsPerClient && violations.length === 0; count++) {
      const token = `${name}${count}`;
      const clerk = pick(clerks);
      const to = pick(clerks.filter((other) => other !== clerk));
      for (let wait = below(25); wait > 0; wait--) await turn();
      const dice = random.next();
      if (dice < 0.7 || mine.length === 0) {
        const command = dice < 0.5 ? 'set' : 'askLater';
        await send(clerk, command, { token, afterMs: below(3_000), to }, token);
        promised.set(token, { clerk, to, tells: command === 'set', dropped: false });
        mine.push(token);
      } else if (dice < 0.85) {
        const dropped = promised.get(pick(mine))!;
        const [name] = [...promised].find(([, each]) => each === dropped)!;
        // Its reply is recorded only if it dropped something: a repeated one finds nothing, and is told that it did.
        if ((await send(dropped.clerk, 'drop', name, `drop-${token}`)) === true) dropped.dropped = true;
      } else await send(clerk, 'all', undefined);
    }
    finished += 1;
  };

  node.journal.disk.hold();
  const life = Promise.all([
    ...Array.from({ length: clientCount }, (_, i) => client('pqr'[i]!)),
    ...clerks.map((clerk, i) => send(clerk, 'start', (['all', 'fire-once', 'skip'] as const)[i], `start-${clerk}`)),
  ]);
  for (let step = 0; finished < clientCount && violations.length === 0; step++) {
    if (step > stepsMax) violations.push(`it did not end within ${stepsMax} steps`);
    const dice = random.next();
    if (dice < 0.55) node.journal.disk.step();
    else if (dice < 0.75) clock.advance(below(400));
    else if (dice < 0.82) void node.node.passivate('Clerk', pick(clerks) as ActorId);
    else if (dice < 0.85) {
      crashes += 1;
      node = await node.restart();
      node.journal.disk.hold();
      const waiting = died;
      died = [];
      for (const wake of waiting) wake();
    } else if (dice < 0.87) clock.shiftWall(below(20_000) - 10_000);
    await turn();
  }
  node.journal.disk.release();
  if (violations.length === 0) await life;
  for (const clerk of clerks) await send(clerk, 'stop', undefined);
  // Half of the lives end without a new start, which would make up for a wake that was lost.
  if (seed % 2 === 0) node = await node.restart();
  // What a tick asked is known for 15 minutes.
  clock.shiftWall(600_000);
  for (let i = 0; i < 400; i++) {
    await turn();
    clock.advance(150);
  }
  const notes = new Map<string, readonly Noted[]>();
  for (const clerk of clerks) {
    // Looking wakes nobody.
    const { state } = await node.node.inspect('Clerk', clerk as ActorId);
    notes.set(clerk, (state as { notes: readonly Noted[] }).notes);
  }
  const letters = await node.node.deadLetters({ after: undefined, limit: 1_000 });
  check(
    notes,
    promised,
    letters.map(({ input }) => String(input)),
    violations,
  );
  node.node.host.close();
  const count = (kind: Noted['kind']) => [...notes.values()].flat().filter((note) => note.kind === kind).length;
  return {
    violations,
    crashes,
    rang: count('rang'),
    heard: count('heard'),
    beats: count('beat'),
    deadLetters: letters.length,
  };
}

function check(
  notes: ReadonlyMap<string, readonly Noted[]>,
  promised: ReadonlyMap<string, Promised>,
  letters: readonly string[],
  violations: string[],
): void {
  const times = (clerk: string, kind: Noted['kind'], token: string) =>
    notes.get(clerk)!.filter((note) => note.kind === kind && note.token === token).length;
  let told = 0;
  for (const [token, { clerk, to, tells, dropped }] of promised) {
    const expected = dropped ? 0 : 1;
    if (times(clerk, 'rang', token) !== expected)
      violations.push(`${token} rang ${times(clerk, 'rang', token)} times on ${clerk}, not ${expected}`);
    if (times(to, 'heard', `${clerk}:${token}`) !== expected)
      violations.push(`${token} of ${clerk} was heard ${times(to, 'heard', `${clerk}:${token}`)} times on ${to}`);
    const refused = letters.filter((letter) => letter === `${clerk}:${token}`).length;
    if (refused !== (tells ? expected : 0)) violations.push(`${token} of ${clerk} is ${refused} dead letters`);
    told += refused;
  }
  if (told !== letters.length) violations.push(`there are ${letters.length} dead letters, ${told} of them known`);
  for (const [clerk, all] of notes) {
    const beats = all.filter(({ kind }) => kind === 'beat');
    for (let i = 1; i < beats.length; i++) {
      const step = beats[i]!.next - beats[i - 1]!.next;
      if (step <= 0) violations.push(`${clerk}: a beat came twice`);
      if (step % beatMs !== 0) violations.push(`${clerk}: a beat is off by ${step % beatMs} ms`);
      if (beats[i]!.token === 'all' && step !== beatMs) violations.push(`${clerk}: a beat is missing`);
    }
    for (const sender of clerks) order(sender, notes.get(sender)!, clerk, all, letters, violations);
  }
}

/** What a receiver heard by tell from one sender is in the order in which it was told. */
function order(
  sender: string,
  sent: readonly Noted[],
  receiver: string,
  heard: readonly Noted[],
  letters: readonly string[],
  violations: string[],
): void {
  // Only tells have a dead letter beside them; what was asked is heard before it rings.
  const tokens = sent.filter(({ kind }) => kind === 'rang').map(({ token }) => `${sender}:${token}`);
  const rang = tokens.filter((token) => letters.includes(token));
  const got = heard.filter(({ kind, token }) => kind === 'heard' && rang.includes(token)).map(({ token }) => token);
  const expected = rang.filter((token) => got.includes(token));
  if (got.join() !== expected.join())
    violations.push(`${receiver} heard ${got.join()}, but was told ${expected.join()}`);
}

/** Lets everything that can run now run. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
