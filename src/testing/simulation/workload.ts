/**
 * Simulated clients: each sends one command after the other, through whatever node it likes, and sends again under the
 * same key until it knows what became of it or its patience ends. The key is its own, or the one that the cluster gave
 * the command. Now and then it sends several through one node without waiting: those have to arrive in order, and are
 * sent once. All that it does and hears goes into a history.
 *
 * Where actors have reminders, two more clients keep diaries (workload-diary.ts).
 *
 * Actors come in generations, so that no history grows beyond what can be checked; the tellers stay the same for the
 * whole run.
 */
import { assignedIdPrefix } from '../../actors/command-ids.ts';
import { Rejection } from '../../core/errors.ts';
import type { ActorId, CommandId } from '../../core/ids.ts';
import type { Random } from '../../core/random.ts';
import { randomDiaryCommand } from './diary-commands.ts';
import { History, type Invocation, type Outcome } from './history.ts';
import { operationsMax } from './linearizability.ts';
import { between, pick, spread } from './random-choices.ts';
import type { Attempt, SimulatedCluster } from './simulated-cluster.ts';
import type { Tuning } from './tuning.ts';

/** How long a client goes on about one command. */
export const patienceMs = 60_000;
/** How long the last reads, after everything has healed, may take. */
export const lastReadPatienceMs = 60_000;
/** Operations on one actor before the next generation begins: leaves room for what is under way. */
const operationsPerActor = operationsMax - 50;
const actorsPerType = 2;
/** Commands that a client sends at once. */
const burstMax = 8;
const tellers = ['t0', 't1', 't2'] as const;
/** Clients that have themselves reminded, beside the others; how long each usually waits between two commands. */
const diarists = ['r0', 'r1'] as const;
const diaristThinkMs = 3_000;

interface Command {
  readonly type: string;
  readonly id: string;
  readonly command: string;
  readonly input?: unknown;
}

/** How each type's actors are read in the end. */
const readCommands: Readonly<Record<string, string>> = {
  Register: 'read',
  Tokens: 'read',
  Account: 'entries',
  Teller: 'report',
  Diary: 'report',
  Tally: 'ticks',
};

/** Answers after which the same command may be sent again, and whether the attempt is known not to have happened. */
const retried: Readonly<Record<string, 'not executed' | 'unknown'>> = {
  UNAVAILABLE: 'not executed',
  OVERLOADED: 'not executed',
  OUTCOME_UNKNOWN: 'unknown',
};

export class Workload {
  readonly history: History;
  /** What actors answered in the end, by `type/id`. */
  readonly last = new Map<string, unknown>();
  readonly #cluster: SimulatedCluster;
  readonly #through: readonly string[] | undefined;
  readonly #tuning: Tuning;
  readonly #random: Random;
  /** Of diarists alone: what the others do does not depend on whether there are any. */
  readonly #diaryRandom: Random;
  /** Operations so far, by `type/id`. */
  readonly #counts = new Map<string, number>();
  readonly #overflows = new Map<string, number>();
  #values = 0;
  #keys = 0;
  #isEnding = false;
  #abandonedMs = Number.NEGATIVE_INFINITY;
  readonly #generationMs: number;

  /**
   * @param through where everything is sent; any node, unless it is said
   * @param generationMs after this long other actors are used
   */
  constructor(cluster: SimulatedCluster, tuning: Tuning, through?: readonly string[], generationMs = 60_000) {
    this.#cluster = cluster;
    this.#through = through;
    this.#generationMs = generationMs;
    this.#tuning = tuning;
    this.#random = cluster.world.random('workload');
    this.#diaryRandom = cluster.world.random('diaries');
    this.history = new History(() => cluster.world.nowMs);
  }

  /** Starts the clients; resolves when all have ended after {@link end}. */
  async start(): Promise<void> {
    const clients = Array.from({ length: this.#tuning.clients }, (_, index) => this.#client(`c${index}`));
    if (this.#cluster.cluster.hasReminders) clients.push(...diarists.map((name) => this.#diarist(name)));
    await Promise.all(clients);
  }

  /** No client begins anything new. */
  end(): void {
    this.#isEnding = true;
  }

  /** Nothing that is under way is tried again. */
  abandon(): void {
    this.#abandonedMs = this.#cluster.world.nowMs;
  }

  /** Reads every actor that was ever used. @returns what could not be read */
  async readAll(): Promise<readonly string[]> {
    const unread: string[] = [];
    const read = async (actor: string) => {
      const [type, id] = actor.split('/') as [string, string];
      const command = readCommands[type]!;
      const outcome = await this.#run('last', { type, id, command }, lastReadPatienceMs);
      if (outcome.type === 'reply') this.last.set(actor, outcome.reply);
      else unread.push(`${actor}: ${outcome.type} ${outcome.code}`);
    };
    await Promise.all([...this.#counts.keys()].map(read));
    return unread;
  }

  async #client(name: string): Promise<void> {
    let count = 0;
    while (!this.#isEnding) {
      await this.#wait(this.#tuning.thinkMs * 2 * this.#random.next());
      if (this.#isEnding) return;
      count += 1;
      if (this.#random.next() < 0.2) await this.#runBurst(name, count);
      else await this.#run(name, this.#nextCommand(name, count), patienceMs);
    }
  }

  async #diarist(name: string): Promise<void> {
    for (let count = 1; ; count++) {
      await this.#wait(diaristThinkMs * 2 * this.#diaryRandom.next());
      if (this.#isEnding) return;
      const id = this.#actorId('Diary', this.#diaryRandom);
      this.#use(`Tally/${id}`, 0);
      const command = randomDiaryCommand(this.#diaryRandom, `${name}-${count}`);
      await this.#run(name, { type: 'Diary', id, ...command }, patienceMs);
    }
  }

  /** Several tokens for one list, sent without waiting; whatever becomes of them, none is sent again. */
  #someNode(): string {
    return pick(this.#random, this.#through ?? this.#cluster.names);
  }

  async #runBurst(client: string, count: number): Promise<void> {
    const id = this.#actorId('Tokens');
    const actor = `Tokens/${id}`;
    const tokens = Array.from(
      { length: between(this.#random, 2, burstMax) },
      (_, index) => `${client}-${count}.${index}`,
    );
    this.#use(actor, tokens.length);
    const opened = tokens.map((token) =>
      this.history.begin({ client, actor, command: 'append', input: token, key: '' }),
    );
    const node = this.#someNode();
    const timeoutMs = this.#tuning.attemptTimeoutMs;
    const requests = tokens.map((input) => ({
      type: 'Tokens',
      id: id as ActorId,
      command: 'append',
      input,
      timeoutMs,
    }));
    const gapMs = this.#random.next() < 0.5 ? 0 : spread(this.#random, 1, 300);
    const attempts = this.#cluster.attempts(node, requests, gapMs);
    await Promise.all(
      attempts.map(async (attempt, index) => {
        const answer = answerOf(await attempt);
        opened[index]!.end(answer.type === 'again' ? givenUp(answer, answer.mayHaveHappened) : answer, 1);
      }),
    );
    this.#cluster.world.note(client, `${actor}.append ${tokens.length} at once through ${node}`);
  }

  #nextCommand(client: string, count: number): Command {
    const dice = this.#random.next();
    if (dice < 0.3) return this.#registerCommand();
    if (dice < 0.7) return this.#tokensCommand(`${client}-${count}`);
    if (dice < 0.85) return this.#accountCommand(`${client}-${count}`);
    const id = pick(this.#random, tellers);
    if (this.#random.next() < 0.2) return { type: 'Teller', id, command: 'report' };
    return { type: 'Teller', id, command: 'send', input: pick(this.#random, tellers) };
  }

  #registerCommand(): Command {
    const id = this.#actorId('Register');
    const dice = this.#random.next();
    if (dice < 0.35) return { type: 'Register', id, command: 'read' };
    this.#values += 1;
    if (dice < 0.7) return { type: 'Register', id, command: 'write', input: this.#values };
    const expected = Math.max(0, this.#values - between(this.#random, 1, 4));
    return { type: 'Register', id, command: 'compareAndSet', input: { expected, next: this.#values } };
  }

  #tokensCommand(token: string): Command {
    const id = this.#actorId('Tokens');
    const command = pick(this.#random, [
      'append',
      'append',
      'append',
      'appendPair',
      'appendAndReject',
      'appendAndFail',
      'touch',
      'read',
    ] as const);
    return command === 'touch' || command === 'read'
      ? { type: 'Tokens', id, command }
      : { type: 'Tokens', id, command, input: token };
  }

  #accountCommand(transfer: string): Command {
    const id = this.#actorId('Account');
    const to = this.#actorId('Account');
    if (to === id || this.#random.next() < 0.2) return { type: 'Account', id, command: 'entries' };
    // Counted as used: the last reads have to include who was only asked.
    this.#use(`Account/${to}`, 0);
    const amount = between(this.#random, 1, 100);
    return { type: 'Account', id, command: 'transfer', input: { to, transfer, amount } };
  }

  /** Counts operations on an actor; of 0, that it is there and has to be read in the end. */
  #use(actor: string, operations: number): void {
    this.#counts.set(actor, (this.#counts.get(actor) ?? 0) + operations);
  }

  /** An actor of the generation that is in use. */
  #actorId(type: string, random = this.#random): string {
    const generation = Math.floor(this.#cluster.world.nowMs / this.#generationMs);
    const stem = `${generation}-${between(random, 0, actorsPerType - 1)}`;
    const overflow = this.#overflows.get(`${type}/${stem}`) ?? 0;
    const id = `${stem}-${overflow}`;
    if ((this.#counts.get(`${type}/${id}`) ?? 0) >= operationsPerActor)
      this.#overflows.set(`${type}/${stem}`, overflow + 1);
    return id;
  }

  async #run(client: string, { type, id, command, input }: Command, forMs: number): Promise<Outcome> {
    this.#keys += 1;
    const actor = `${type}/${id}`;
    this.#use(actor, 1);
    if (type === 'Teller' && typeof input === 'string') this.#use(`Teller/${input}`, 0);
    // Half of them take the key that the cluster gives, and use it from the second attempt on.
    let key = this.#random.next() < 0.5 ? (`k${this.#keys}` as CommandId) : undefined;
    const invocation: Invocation = { client, actor, command, input, key: key ?? '' };
    const open = this.history.begin(invocation);
    const sinceMs = this.#cluster.world.nowMs;
    const untilMs = sinceMs + forMs;
    let mayHaveHappened = false;
    for (let attempts = 1; ; attempts++) {
      const attempt = await this.#cluster.attempt(this.#someNode(), {
        type,
        id: id as ActorId,
        command,
        input,
        ...(key === undefined ? {} : { key }),
        // As the client does; what the cluster gave says it by itself.
        ...(attempts === 1 || key === undefined || key.startsWith(assignedIdPrefix) ? {} : { since: 0 }),
        timeoutMs: this.#tuning.attemptTimeoutMs,
      });
      const answer = answerOf(attempt);
      if (answer.type === 'again') {
        mayHaveHappened ||= answer.mayHaveHappened;
        key ??= givenKey(attempt);
        // Without the key another attempt would be another command.
        const mayTryAgain = sinceMs > this.#abandonedMs && (key !== undefined || !mayHaveHappened);
        if (mayTryAgain && this.#cluster.world.nowMs < untilMs) {
          await this.#wait(spread(this.#random, 20, 1_000));
          continue;
        }
      }
      const outcome: Outcome = answer.type === 'again' ? givenUp(answer, mayHaveHappened) : answer;
      open.end(outcome, attempts);
      this.#cluster.world.note(client, `${actor}.${command} ${outcome.type} after ${attempts}`);
      return outcome;
    }
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#cluster.world.after(delayMs, resolve));
  }
}

type AttemptAnswer = Outcome | { readonly type: 'again'; readonly code: string; readonly mayHaveHappened: boolean };

function givenUp({ code }: { readonly code: string }, mayHaveHappened: boolean): Outcome {
  return { type: mayHaveHappened ? 'unknown' : 'notExecuted', code };
}

/** The key under which the cluster knows the command. */
function givenKey(attempt: Attempt): CommandId | undefined {
  return attempt.type === 'error' ? (attempt.error.idempotencyKey as CommandId | undefined) : undefined;
}

function answerOf(attempt: Attempt): AttemptAnswer {
  switch (attempt.type) {
    case 'answer':
      return { type: 'reply', reply: attempt.answer.reply, replayed: attempt.answer.replayed };
    case 'refused':
      return { type: 'again', code: 'REFUSED', mayHaveHappened: false };
    case 'silence':
      return { type: 'again', code: 'SILENCE', mayHaveHappened: true };
    case 'error': {
      const { error } = attempt;
      if (error instanceof Rejection) return { type: 'rejection', code: error.code };
      const known = retried[error.code];
      if (known === undefined) return { type: 'failure', code: error.code };
      return { type: 'again', code: error.code, mayHaveHappened: known === 'unknown' };
    }
  }
}
