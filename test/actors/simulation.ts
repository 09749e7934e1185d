/**
 * Random lives of a node on a held disk: clients with retries, crashes that lose what was not synced, passivations,
 * slow syncs, all from one seed. What comes out is held against what was promised (P2–P7).
 */
import { eventSourced } from '../../src/actors/actor.ts';
import { Rejection } from '../../src/core/errors.ts';
import type { ActorId, CommandId } from '../../src/core/ids.ts';
import { seededRandom } from '../../src/core/random.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { type TestNode, testNode } from './harness.ts';

class Shelf extends eventSourced({
  initialState: () => ({ tokens: [] as readonly string[] }),
  events: { Put: (s, e: { token: string }) => ({ tokens: [...s.tokens, e.token] }) },
  snapshotEvery: 5,
}) {
  put(token: string) {
    this.persist('Put', { token });
    return this.state.tokens.length;
  }
  putTwice(token: string) {
    this.persist('Put', { token: `${token}/1` });
    this.persist('Put', { token: `${token}/2` });
    return this.state.tokens.length;
  }
  putAndThrow(token: string) {
    this.persist('Put', { token: `${token}/never` });
    throw new Rejection('NO', 'on purpose');
  }
  async pass(input: { to: string; token: string }) {
    const there = await this.actor(Shelf, input.to).put(`${input.token}/there`);
    this.persist('Put', { token: input.token });
    return { here: this.state.tokens.length, there };
  }
  send(input: { to: string; token: string }) {
    this.persist('Put', { token: input.token });
    this.tell(this.actor(Shelf, input.to)).put(`${input.token}/told`);
    return this.state.tokens.length;
  }
  all() {
    return this.state.tokens;
  }
}

export interface SimulationOutcome {
  readonly violations: readonly string[];
  readonly acknowledged: number;
  readonly crashes: number;
  readonly retries: number;
  readonly passivations: number;
}

const shelves = ['a', 'b', 'c'] as const;
const clientCount = 4;
const commandsPerClient = 25;
/** Steps after which a run that does not end is a violation itself. */
const stepsMax = 20_000;

interface Acknowledged {
  readonly shelf: string;
  readonly name: string;
  readonly token: string;
  readonly to: string;
  readonly reply: unknown;
}

/** One life, from its seed. */
export async function simulate(seed: number): Promise<SimulationOutcome> {
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!;
  const clock = new VirtualClock();
  const violations: string[] = [];
  const acknowledged: Acknowledged[] = [];
  let node: TestNode = await testNode([Shelf], { clock, maxActive: 2, attemptsMax: Number.POSITIVE_INFINITY });
  let crashes = 0;
  let retries = 0;
  let passivations = 0;
  let finished = 0;
  /** Wakes clients whose node died under them. */
  let died: (() => void)[] = [];

  const client = async (name: string) => {
    let count = 0;
    const known = new Map<string, number>();
    while (count < commandsPerClient) {
      count += 1;
      const shelf = pick(shelves);
      const command = pick(['put', 'put', 'putTwice', 'putAndThrow', 'pass', 'send', 'all'] as const);
      const token = `${name}${count}`;
      const to = pick(shelves.filter((other) => other !== shelf));
      const input = command === 'pass' || command === 'send' ? { to, token } : command === 'all' ? undefined : token;
      const before = known.get(shelf) ?? 0;
      const reply = await untilAnswered(shelf, command, input, token);
      if (reply instanceof Rejection) continue;
      if (command === 'all') {
        const length = (reply as string[]).length;
        if (length < before)
          violations.push(`${name} read ${length} tokens of ${shelf} after it had been told of ${before}`);
      } else {
        acknowledged.push({ shelf, name: command, token, to, reply });
        known.set(shelf, command === 'pass' ? (reply as { here: number }).here : (reply as number));
      }
    }
    finished += 1;
  };

  const untilAnswered = async (shelf: string, command: string, input: unknown, token: string): Promise<unknown> => {
    for (;;) {
      const current = node;
      const death = new Promise<'died'>((resolve) => {
        died.push(() => resolve('died'));
      });
      const answer = current.node
        .command({ type: 'Shelf', id: shelf as ActorId, command, input, key: token as CommandId, timeoutMs: 5_000 })
        .then(
          (done) => ({ reply: done.reply }),
          (error: unknown) => ({ error }),
        );
      const outcome = await Promise.race([answer, death]);
      if (outcome !== 'died' && 'reply' in outcome) return outcome.reply;
      if (outcome !== 'died' && outcome.error instanceof Rejection) return outcome.error;
      const code = outcome === 'died' ? 'died' : (outcome.error as { code?: string }).code;
      if (
        code !== 'died' &&
        code !== 'OUTCOME_UNKNOWN' &&
        code !== 'UNAVAILABLE' &&
        code !== 'ASK_CYCLE' &&
        code !== 'OVERLOADED'
      ) {
        violations.push(`${token}: ${String(outcome === 'died' ? '' : (outcome as { error: unknown }).error)}`);
        return new Rejection('GAVE_UP', 'after a violation');
      }
      retries += 1;
      for (let wait = 1 + Math.floor(random.next() * 5); wait > 0; wait--) await turn();
    }
  };

  node.journal.disk.hold();
  const clients = Promise.all(Array.from({ length: clientCount }, (_, index) => client(`${'pqrs'[index]}`)));
  for (let step = 0; finished < clientCount; step++) {
    if (step > stepsMax) {
      violations.push(`it did not end within ${stepsMax} steps`);
      break;
    }
    const dice = random.next();
    if (dice < 0.55) node.journal.disk.step();
    else if (dice < 0.7) clock.advance(Math.floor(random.next() * 150));
    else if (dice < 0.8) {
      passivations += 1;
      void node.node.passivate('Shelf', pick(shelves) as ActorId);
    } else if (dice < 0.84) {
      crashes += 1;
      node = await node.restart();
      node.journal.disk.hold();
      const waiting = died;
      died = [];
      for (const wake of waiting) wake();
    }
    await turn();
  }
  node.journal.disk.release();
  if (violations.length === 0) await clients;
  node = await node.restart();
  for (const shelf of shelves)
    await node.node.command({
      type: 'Shelf',
      id: shelf as ActorId,
      command: 'all',
      input: undefined,
      timeoutMs: 5_000,
    });
  for (let i = 0; i < 200; i++) {
    await turn();
    clock.advance(200);
  }
  await check(node, acknowledged, violations);
  node.node.host.close();
  return { violations, acknowledged: acknowledged.length, crashes, retries, passivations };
}

async function check(node: TestNode, acknowledged: readonly Acknowledged[], violations: string[]): Promise<void> {
  const found = new Map<string, readonly string[]>();
  for (const shelf of shelves) {
    const { reply } = await node.node.command({
      type: 'Shelf',
      id: shelf as ActorId,
      command: 'all',
      input: undefined,
      timeoutMs: 5_000,
    });
    const tokens = reply as string[];
    found.set(shelf, tokens);
    const events = await node.node.events('Shelf', shelf as ActorId, 0, 1_000).catch(() => []);
    if (events.map(({ sequenceNumber }) => sequenceNumber).join() !== tokens.map((_, index) => index + 1).join()) {
      violations.push(`${shelf}: sequence numbers ${events.map(({ sequenceNumber }) => sequenceNumber).join()}`);
    }
    if (new Set(tokens).size !== tokens.length) violations.push(`${shelf}: something twice in ${tokens.join(' ')}`);
    for (const token of tokens)
      if (token.endsWith('/never')) violations.push(`${shelf}: ${token} was thrown away and is there`);
    orderOf(tokens, shelf, violations);
  }
  const placeOf = (shelf: string, token: string) => found.get(shelf)!.indexOf(token) + 1;
  for (const { shelf, name, token, to, reply } of acknowledged) {
    const last = name === 'putTwice' ? `${token}/2` : token;
    const told = name === 'pass' ? (reply as { here: number }).here : reply;
    if (placeOf(shelf, last) !== told)
      violations.push(`${shelf}: ${last} is at ${placeOf(shelf, last)}, but its caller was told ${String(told)}`);
    if (name === 'putTwice' && placeOf(shelf, `${token}/1`) !== placeOf(shelf, last) - 1)
      violations.push(`${token} was torn apart`);
    if (name === 'pass' && placeOf(to, `${token}/there`) !== (reply as { there: number }).there)
      violations.push(`${token}/there is not where it was said to be`);
    if (name === 'send' && placeOf(to, `${token}/told`) === 0) violations.push(`${token}/told never arrived on ${to}`);
  }
}

/** One client's direct commands to one shelf are there in the order it sent them. */
function orderOf(tokens: readonly string[], shelf: string, violations: string[]): void {
  const last = new Map<string, number>();
  for (const token of tokens) {
    const match = /^([pqrs])(\d+)(\/[12])?$/.exec(token);
    if (!match) continue;
    const count = Number(match[2]);
    if (count < (last.get(match[1]!) ?? 0))
      violations.push(`${shelf}: ${token} came after ${match[1]}${last.get(match[1]!)}`);
    last.set(match[1]!, count);
  }
}

/** Lets everything that can run now run. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
