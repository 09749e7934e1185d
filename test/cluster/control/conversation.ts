/**
 * Conversations with a control cluster, as text: lines of what happens, and under each what the machines answered.
 * Nothing happens by itself: messages wait until `deliver`, writes until `durable`, time until `pass`.
 *
 *     propose a p1          → effects of a
 *     durable a             → what a wrote is on its disk
 *     deliver a b           → the messages from a to b, in order
 *     repeat a b            → the same, but they stay and will be delivered once more
 *     settle                → writes and deliveries until nothing waits
 */
import { ControlLog } from '../../../src/cluster/control/control-log.ts';
import type { ControlMistake } from '../../../src/cluster/control/control-options.ts';
import {
  type ControlEffect,
  type ControlEntry,
  type ControlInput,
  type ControlMessage,
  type ControlSnapshot,
  type DurableState,
  foundedState,
  type LogPoint,
} from '../../../src/cluster/control/control-protocol.ts';
import type { StoreId } from '../../../src/core/ids.ts';

type Message = ControlMessage<string, string>;

interface Node {
  machine: ControlLog<string, string>;
  state: DurableState<string> | undefined;
  snapshot: ControlSnapshot<string> | undefined;
  writes: ControlEffect<string, string>[];
  applied: string;
}

export class Conversation {
  readonly #nodes = new Map<StoreId, Node>();
  readonly #waiting: { from: StoreId; to: StoreId; message: Message }[] = [];
  readonly #mistake: { readonly mistake?: ControlMistake };
  #nowMs = 0;
  #said: string[] = [];

  constructor(mistake?: ControlMistake) {
    this.#mistake = mistake ? { mistake } : {};
  }

  /** One line of a conversation. @returns what came of it */
  say(line: string): readonly string[] {
    this.#said = [];
    const [what, first, ...rest] = line.split(/\s+/) as [string, StoreId, ...string[]];
    switch (what) {
      case 'start':
        this.#start(first, rest as StoreId[]);
        break;
      case 'restart':
        this.#restart(first);
        break;
      case 'pass':
        this.#nowMs += Number(first);
        break;
      case 'tick':
        this.#step(first, { type: 'tick' });
        break;
      case 'propose':
        this.#step(first, { type: 'propose', id: rest[0]!, change: rest[0]! });
        break;
      case 'voters':
        this.#step(first, { type: 'proposeVoters', id: rest[0]!, voters: rest.slice(1) as StoreId[] });
        break;
      case 'learners':
        this.#step(first, { type: 'learners', storeIds: rest as StoreId[] });
        break;
      case 'transfer':
        this.#step(first, { type: 'transferLeadership', to: rest[0] as StoreId });
        break;
      case 'campaign':
        this.#step(first, { type: 'campaignNow' });
        break;
      case 'linkDown':
        this.#step(first, { type: 'linkDown', peer: rest[0] as StoreId });
        break;
      case 'compact':
        this.#step(first, { type: 'snapshotTaken', index: Number(rest[0]), snapshot: this.#nodes.get(first)!.applied });
        break;
      case 'durable':
        this.#durable(first);
        break;
      case 'deliver':
        this.#deliver((from, to) => from === first && to === rest[0]);
        break;
      case 'repeat':
        this.#deliver((from, to) => from === first && to === rest[0], true);
        break;
      case 'lose':
        this.#lose(first, rest[0] as StoreId);
        break;
      case 'settle':
        this.#settle(line.split(/\s+/).slice(1) as StoreId[]);
        break;
      default:
        throw new Error(`nothing is called '${what}'`);
    }
    return this.#said.length > 0 ? this.#said : ['-'];
  }

  /** With voters: as if they had been there from the beginning. */
  #start(self: StoreId, voters: readonly StoreId[]): void {
    const founded = foundedState<string>(self);
    const entries = [{ ...founded.entries[0], voters }] as ControlEntry<string>[];
    this.#boot(self, voters.length > 0 ? { ...founded, entries } : undefined, undefined);
  }

  #restart(self: StoreId): void {
    const { state, snapshot } = this.#nodes.get(self)!;
    for (const sent of [...this.#waiting]) if (sent.from === self) this.#waiting.splice(this.#waiting.indexOf(sent), 1);
    this.#boot(self, state, snapshot);
  }

  #boot(self: StoreId, state: DurableState<string> | undefined, snapshot: ControlSnapshot<string> | undefined): void {
    const machine = new ControlLog<string, string>({
      self,
      durable: { state, snapshot },
      // Stores later in the alphabet wait longer: who stands first is not left to chance.
      random: { next: () => (self.charCodeAt(0) - 97) / 10 },
      sizeOf: (change) => change.length,
      options: { keptEntries: 0, compactAfterEntries: 4, appendEntriesMax: 3, appendBytesMax: 110, ...this.#mistake },
    });
    this.#nodes.set(self, { machine, state, snapshot, writes: [], applied: snapshot?.data ?? '' });
  }

  #step(self: StoreId, input: ControlInput<string, string>): void {
    const node = this.#nodes.get(self)!;
    for (const effect of node.machine.step(input, this.#nowMs)) {
      this.#said.push(`${self}: ${describe(effect)}`);
      if (effect.type === 'send') this.#waiting.push({ from: self, to: effect.to, message: effect.message });
      else if (effect.type === 'persist' || effect.type === 'persistSnapshot') node.writes.push(effect);
      else if (effect.type === 'committed') node.applied += effect.entries.map(({ change }) => change).join('');
      else if (effect.type === 'restoreSnapshot') node.applied = effect.snapshot;
    }
  }

  #durable(self: StoreId): void {
    const node = this.#nodes.get(self)!;
    let token = 0;
    for (const write of node.writes.splice(0)) {
      if (write.type === 'persistSnapshot') node.snapshot = write.snapshot;
      if (write.type !== 'persist') continue;
      node.state = write.state;
      token = write.token;
    }
    if (token > 0) this.#step(self, { type: 'durable', token });
  }

  #deliver(isMeant: (from: StoreId, to: StoreId) => boolean, isKept = false): void {
    const meant = this.#waiting.filter(({ from, to }) => isMeant(from, to));
    if (!isKept) for (const sent of meant) this.#waiting.splice(this.#waiting.indexOf(sent), 1);
    for (const { from, to, message } of meant)
      if (this.#nodes.has(to)) this.#step(to, { type: 'message', from, message });
  }

  #lose(a: StoreId, b: StoreId | undefined): void {
    const isLost = (from: StoreId, to: StoreId) => (from === a && (!b || to === b)) || (to === a && !b);
    for (const sent of [...this.#waiting])
      if (isLost(sent.from, sent.to)) this.#waiting.splice(this.#waiting.indexOf(sent), 1);
  }

  /** Among those named, or all; the rest is as if cut off. */
  #settle(names: readonly StoreId[]): void {
    const all = names.length > 0 ? names : [...this.#nodes.keys()];
    for (let round = 0; round < 30; round++) {
      for (const self of all) this.#durable(self);
      this.#deliver((from, to) => all.includes(from) && all.includes(to));
    }
    // What went to and fro is in the other conversations; here only what came of it counts.
    this.#said = this.#said.filter((line) => !/: (send|persist)/.test(line));
  }
}

function describe(effect: ControlEffect<string, string>): string {
  switch (effect.type) {
    case 'send':
      return `send ${effect.to} ${describeMessage(effect.message)}`;
    case 'persist': {
      const { term, vote, snapshot, entries } = effect.state;
      const after = snapshot.index > 0 ? ` after ${point(snapshot)}` : '';
      return `persist term ${term} vote ${vote ?? 'none'}${after} [${entries.map(describeEntry).join(' ')}]`;
    }
    case 'persistSnapshot':
      return `persistSnapshot ${point(effect.snapshot)} ${effect.snapshot.data}`;
    case 'committed':
      return `committed ${effect.entries.map(({ index, change }) => `${index}:${change}`).join(' ')}`;
    case 'votersCommitted':
      return `votersCommitted ${effect.index} ${effect.voters.join(',')}`;
    case 'restoreSnapshot':
      return `restoreSnapshot ${effect.index} ${effect.snapshot}`;
    case 'becameLeader':
    case 'leaderEstablished':
      return `${effect.type} ${effect.term}`;
    case 'becameFollower':
      return `becameFollower of ${effect.leader ?? 'nobody'} in ${effect.term}`;
    case 'proposalAccepted':
      return `proposalAccepted ${effect.id} at ${effect.index}`;
    case 'proposalDropped':
      return `proposalDropped ${effect.id}: ${effect.reason}, ask ${effect.leader ?? 'nobody'}`;
    case 'snapshotWanted':
      return `snapshotWanted ${effect.index}`;
  }
}

function describeMessage(message: Message): string {
  switch (message.type) {
    case 'append': {
      const entries = message.entries.map(describeEntry).join(' ');
      return `append ${message.term}: after ${point(message.previous)} [${entries}] commit ${message.commit}`;
    }
    case 'preVote':
    case 'vote':
      return `${message.type} ${message.term}: last ${point(message.last)}`;
    case 'preVoteReply':
    case 'voteReply':
      return `${message.type} ${message.term}: ${message.isGranted ? 'yes' : 'no'}`;
    case 'appended':
      return `appended ${message.term}: ${message.match}`;
    case 'refused':
      return `refused ${message.term}: ${message.previous}, perhaps ${point(message.hint)}`;
    case 'snapshot':
      return `snapshot ${message.term}: ${point(message.snapshot)}`;
    case 'campaign':
      return `campaign ${message.term}`;
  }
}

function describeEntry(entry: ControlEntry<string>): string {
  const what = entry.type === 'change' ? entry.id : entry.type === 'voters' ? entry.voters.join(',') : 'start';
  return `${point(entry)}=${what}`;
}

function point({ index, term }: LogPoint): string {
  return `${index}/${term}`;
}
