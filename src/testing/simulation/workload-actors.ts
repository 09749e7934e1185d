/**
 * The actors that simulated clients send commands to: ordinary classes, each made so that a broken promise shows. Every
 * value written is unique in its world, so that it can be told where it came from.
 */
import { type ActorClass, durableState, eventSourced } from '../../actors/actor.ts';
import { Rejection } from '../../core/errors.ts';
import { Diary, Tally } from './workload-diary.ts';

/** One value that is read, written, and compared and set: lost updates and stale reads show. */
export class Register extends durableState({ initialState: () => ({ value: 0 }), snapshotEvery: 5 }) {
  read() {
    return this.state.value;
  }
  /** Answers the value before. */
  write(value: number) {
    const { value: previous } = this.state;
    this.save({ value });
    return previous;
  }
  compareAndSet(input: { expected: number; next: number }) {
    const { value: current } = this.state;
    if (current === input.expected) this.save({ value: input.next });
    return { isSet: current === input.expected, current };
  }
}

/** A list of tokens: loss, duplicates, order, and torn or half undone commands show. */
export class Tokens extends eventSourced({
  initialState: () => ({ tokens: [] as readonly string[] }),
  events: { Appended: (state, event: { token: string }) => ({ tokens: [...state.tokens, event.token] }) },
  snapshotEvery: 7,
}) {
  append(token: string) {
    this.persist('Appended', { token });
    return this.state.tokens.length;
  }
  /** Two events of one command. */
  async appendPair(token: string) {
    this.persist('Appended', { token: `${token}/1` });
    await null;
    this.persist('Appended', { token: `${token}/2` });
    return this.state.tokens.length;
  }
  appendAndReject(token: string) {
    this.persist('Appended', { token: `${token}/never` });
    throw new Rejection('ON_PURPOSE', 'this command never keeps what it recorded');
  }
  appendAndFail(token: string) {
    this.persist('Appended', { token: `${token}/never` });
    throw new Error('on purpose');
  }
  /** A command that records nothing. */
  touch() {
    return this.state.tokens.length;
  }
  read() {
    return this.state.tokens;
  }
}

/** One side of a transfer, as an account remembers it. */
export interface AccountEntry {
  readonly transfer: string;
  readonly side: 'debit' | 'credit';
  readonly amount: number;
}

/** Accounts that ask each other: an ask that has two effects, or none, shows. */
export class Account extends eventSourced({
  initialState: () => ({ entries: [] as readonly AccountEntry[] }),
  events: { Entered: (state, entry: AccountEntry) => ({ entries: [...state.entries, entry] }) },
  snapshotEvery: 6,
}) {
  async transfer(input: { to: string; transfer: string; amount: number }) {
    const { to, transfer, amount } = input;
    const there = await this.actor(Account, to).credit({ transfer, amount });
    this.persist('Entered', { transfer, side: 'debit', amount });
    return { here: this.state.entries.length, there };
  }
  credit(input: { transfer: string; amount: number }) {
    this.persist('Entered', { transfer: input.transfer, side: 'credit', amount: input.amount });
    return this.state.entries.length;
  }
  entries() {
    return this.state.entries;
  }
}

/** Actors that tell each other: order, loss and duplicates of tells show. */
export class Teller extends eventSourced({
  initialState: () => ({ sent: {} as Readonly<Record<string, number>>, received: [] as readonly string[] }),
  events: {
    Sent: (state, event: { to: string }) => ({
      ...state,
      sent: { ...state.sent, [event.to]: (state.sent[event.to] ?? 0) + 1 },
    }),
    Received: (state, event: { from: string; number: number }) => ({
      ...state,
      received: [...state.received, `${event.from}#${event.number}`],
    }),
  },
  snapshotEvery: 9,
}) {
  /** Counts what it sends to each; answers the count. */
  send(to: string) {
    this.persist('Sent', { to });
    const number = this.state.sent[to]!;
    this.tell(this.actor(Teller, to)).receive({ from: this.id, number });
    return number;
  }
  receive(input: { from: string; number: number }) {
    this.persist('Received', input);
  }
  report() {
    return this.state;
  }
}

export const workloadActors: readonly ActorClass[] = [Register, Tokens, Account, Teller, Diary, Tally];
