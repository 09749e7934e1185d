/**
 * A node of the toy: follower, candidate or leader of one log (Raft with the whole log in every message, so that there
 * is nothing to catch up). Epoch, vote and log are one control row: one synced batch, one truth.
 */

import type { CommandAnswer, CommandRequest } from '../../../src/cluster/gateway.ts';
import { GreenroomError, Rejection } from '../../../src/core/errors.ts';
import { textHash } from '../../../src/core/hash.ts';
import type { CommandId } from '../../../src/core/ids.ts';
import type { MemoryJournal } from '../../../src/persistence/memory-journal.ts';
import type { Acknowledgement, NodeInspection } from '../../../src/testing/simulation/inspection.ts';
import type { ClusterSetup, NodeSeat, SimulatedNode } from '../../../src/testing/simulation/simulated-node.ts';
import type { ToyMistake } from './toy-cluster.ts';
import type { ToyNetwork } from './toy-network.ts';
import { type ToyAnswer, type ToyEntry, ToyState } from './toy-state.ts';

type Log = readonly ToyEntry[];

export type ToyMessage =
  | { readonly type: 'vote?'; readonly from: string; readonly epoch: number; readonly log: Log }
  | { readonly type: 'vote'; readonly from: string; readonly epoch: number }
  | {
      readonly type: 'log';
      readonly from: string;
      readonly epoch: number;
      readonly log: Log;
      readonly committed: number;
    }
  | { readonly type: 'have'; readonly from: string; readonly epoch: number; readonly length: number };

interface Kept {
  readonly epoch: number;
  readonly votedFor: string;
  readonly log: Log;
}

interface Waiter {
  readonly answer: (answer: ToyAnswer) => void;
  readonly fail: () => void;
}

const beatMs = 100;
const electionMs = 1_500;
/** Rows are references: what lies on a toy's disk is a number that names one of these. */
const keptByWorld = new WeakMap<object, Kept[]>();

export class ToyNode implements SimulatedNode {
  readonly #setup: ClusterSetup;
  readonly #network: ToyNetwork<ToyMessage>;
  readonly #seat: NodeSeat;
  readonly #journal: MemoryJournal;
  readonly #mistake: ToyMistake | undefined;
  readonly #state: ToyState;
  readonly #waiters = new Map<number, Waiter[]>();
  readonly #acknowledgements: Acknowledgement[] = [];
  #boot = 0;
  #version = 0;
  #epoch = 0;
  #votedFor = '';
  #log: Log = [];
  #durable: Kept = { epoch: 0, votedFor: '', log: [] };
  #committed = 0;
  #keys = 0;
  #role: 'follower' | 'candidate' | 'leader' = 'follower';
  #votes = new Set<string>();
  #have = new Map<string, number>();
  #heardMs = 0;
  #cancelElection: () => void = () => {};

  private constructor(setup: ClusterSetup, network: ToyNetwork<ToyMessage>, seat: NodeSeat) {
    this.#setup = setup;
    this.#network = network;
    this.#seat = seat;
    this.#mistake = setup.mistake as ToyMistake | undefined;
    this.#state = new ToyState(this.#mistake);
    this.#journal = seat.disk.journal(seat.life, { clusterId: 'toy', node: seat.name, shardCount: 1, replicas: 3 });
  }

  static async start(setup: ClusterSetup, network: ToyNetwork<ToyMessage>, seat: NodeSeat): Promise<ToyNode> {
    const node = new ToyNode(setup, network, seat);
    await node.#open();
    return node;
  }

  async #open(): Promise<void> {
    this.#boot = (await this.#journal.open()).boot;
    const row = this.#journal.control('toy');
    if (row) {
      this.#durable = this.#shelf()[Number(row.toString())]!;
      this.#log = this.#durable.log;
      const isForgetful = this.#mistake === 'forgotten vote';
      this.#epoch = isForgetful ? (this.#log.at(-1)?.epoch ?? 0) : this.#durable.epoch;
      this.#votedFor = isForgetful ? '' : this.#durable.votedFor;
    }
    this.#network.listen(this.#seat.life.machine, this.#seat.life, (message) => this.#receive(message));
    this.#heardMs = -10 * electionMs;
    this.#awaitElection();
    this.#beat();
  }

  // ---- port -------------------------------------------------------------------------------------------------

  get isServing(): boolean {
    if (this.#role === 'leader') return this.#isActive;
    return this.#committed > 0 && this.#seat.clock.monotonicMs() - this.#heardMs < electionMs;
  }

  command(given: CommandRequest): Promise<CommandAnswer> {
    const request = { ...given, key: given.key ?? this.#nextKey() };
    return new Promise((resolve, reject) => {
      if (this.#role !== 'leader' || !this.#isActive) {
        reject(new GreenroomError('UNAVAILABLE', 'not the leader'));
        return;
      }
      const answer = (given: ToyAnswer) => {
        if (given.type === 'rejection') reject(new Rejection('ON_PURPOSE', 'on purpose'));
        else if (given.type === 'failure') reject(new GreenroomError('COMMAND_FAILED', 'on purpose'));
        else
          resolve({ reply: given.reply, idempotencyKey: request.key, replayed: false, position: 0, woke: undefined });
      };
      const fail = () => reject(new GreenroomError('OUTCOME_UNKNOWN', 'no longer the leader, or too late'));
      this.#seat.clock.schedule(request.timeoutMs, fail);
      this.#take(request, { answer, fail });
    });
  }

  inspect(): NodeInspection {
    return {
      storeId: this.#seat.disk.storeId,
      boot: this.#boot,
      version: this.#version,
      shards: [
        {
          shard: 0,
          promisedEpoch: this.#durable.epoch,
          promisedTo: this.#durable.votedFor,
          servesEpoch: this.#role === 'leader' && this.#isActive ? this.#epoch : undefined,
          activeEpoch: this.#log[this.#committed - 1]?.epoch ?? 0,
          activeReplicas: this.#setup.nodes.map((name) => `${name}-store-1`),
          durableLength: commonLength(this.#durable.log, this.#log),
          committed: this.#committed,
          // It does not count them, so that everything is looked at each time.
          rewrites: this.#version,
          isComplete: true,
          excludedEpoch: () => 0,
          record: (position) => recordOf(this.#log[position - 1], position),
        },
      ],
      takeAcknowledgements: () => this.#acknowledgements.splice(0),
      takeSnapshots: () => [],
    };
  }

  async stop(): Promise<void> {}

  // ---- commands ---------------------------------------------------------------------------------------------

  #nextKey(): CommandId {
    this.#keys += 1;
    return `~${this.#seat.name}.${this.#boot}.${this.#keys}` as CommandId;
  }

  #take(request: CommandRequest & { readonly key: CommandId }, waiter: Waiter): void {
    const { key } = request;
    const known = this.#state.answered(key);
    if (known) {
      this.#seat.count('a retry was answered from memory');
      waiter.answer(known);
      return;
    }
    if (this.#mistake === 'stale read' && (request.command === 'read' || request.command === 'touch')) {
      waiter.answer(this.#state.apply({ ...request, key, epoch: 0, chain: 0 }));
      return;
    }
    let index = this.#mistake === 'no memory of ids' ? -1 : this.#log.findLastIndex((entry) => entry.key === key);
    if (index < 0) {
      const { type, id, command, input } = request;
      index = this.#append({ key, type, id, command, input });
    } else this.#seat.count('a retry joined the first');
    const waiters = this.#waiters.get(index + 1) ?? [];
    waiters.push(waiter);
    this.#waiters.set(index + 1, waiters);
    this.#advance();
  }

  #append(entry: Omit<ToyEntry, 'epoch' | 'chain'>): number {
    const chain = textHash(`${this.#log.at(-1)?.chain ?? 0} ${this.#epoch} ${entry.key}`);
    this.#log = [...this.#log, { ...entry, epoch: this.#epoch, chain }];
    const { length } = this.#log;
    const epoch = this.#epoch;
    this.#keep(() => this.#haves(this.#seat.name, epoch, length));
    this.#spreadLog();
    return length - 1;
  }

  // ---- protocol ---------------------------------------------------------------------------------------------

  get #isActive(): boolean {
    return this.#committed > 0 && this.#log[this.#committed - 1]!.epoch === this.#epoch;
  }

  get #majority(): number {
    return Math.floor(this.#setup.nodes.length / 2) + 1;
  }

  #receive(message: ToyMessage): void {
    if (message.epoch > this.#epoch) this.#becomeFollower(message.epoch, '');
    if (message.epoch < this.#epoch) return;
    switch (message.type) {
      case 'vote?':
        this.#maybeVote(message.from, message.log);
        return;
      case 'vote':
        if (this.#role !== 'candidate') return;
        this.#votes.add(message.from);
        this.#maybeLead();
        return;
      case 'log':
        this.#follow(message.from, message.log, message.committed);
        return;
      case 'have':
        this.#haves(message.from, message.epoch, message.length);
        return;
    }
  }

  #maybeVote(candidate: string, log: Log): void {
    if (this.#votedFor !== '' && this.#votedFor !== candidate) return;
    if (this.#mistake !== 'blind vote' && isBehind(log, this.#log)) return;
    this.#votedFor = candidate;
    const epoch = this.#epoch;
    this.#awaitElection();
    this.#keep(() => this.#send(candidate, { type: 'vote', from: this.#seat.name, epoch }));
  }

  #follow(leader: string, log: Log, committed: number): void {
    this.#role = 'follower';
    this.#heardMs = this.#seat.clock.monotonicMs();
    this.#awaitElection();
    const epoch = this.#epoch;
    const have = { type: 'have', from: this.#seat.name, epoch, length: log.length } as const;
    if (log === this.#log && this.#durable.log === log) this.#send(leader, have);
    else if (log !== this.#log) {
      this.#log = log;
      if (this.#mistake === 'unsynced answer') this.#send(leader, have);
      this.#keep(() => this.#send(leader, have));
    }
    this.#commitTo(Math.min(committed, log.length));
  }

  #haves(from: string, epoch: number, length: number): void {
    if (this.#role !== 'leader' || epoch !== this.#epoch) return;
    this.#have.set(from, Math.max(this.#have.get(from) ?? 0, length));
    this.#advance();
  }

  #advance(): void {
    if (this.#role !== 'leader') return;
    const lengths = this.#setup.nodes.map((name) => this.#have.get(name) ?? 0).sort((a, b) => b - a);
    const held = this.#mistake === 'early answer' ? this.#log.length : lengths[this.#majority - 1]!;
    if (held > this.#committed && this.#log[held - 1]!.epoch === this.#epoch) this.#commitTo(held);
  }

  #commitTo(length: number): void {
    while (this.#committed < length) {
      this.#committed += 1;
      this.#version += 1;
      const entry = this.#log[this.#committed - 1]!;
      if (entry.type === '') continue;
      const answer = this.#state.apply(entry);
      for (const waiter of this.#waiters.get(this.#committed) ?? []) {
        this.#acknowledgements.push({ shard: 0, position: this.#committed, epoch: entry.epoch, chain: entry.chain });
        waiter.answer(answer);
      }
      this.#waiters.delete(this.#committed);
    }
  }

  #maybeLead(): void {
    if (this.#votes.size < this.#majority) return;
    this.#role = 'leader';
    this.#have = new Map();
    this.#seat.count('became leader');
    this.#seat.log.info('leads', { epoch: this.#epoch });
    this.#append({ key: '', type: '', id: '', command: '', input: undefined });
  }

  #becomeFollower(epoch: number, votedFor: string): void {
    this.#epoch = epoch;
    this.#votedFor = votedFor;
    this.#role = 'follower';
    this.#version += 1;
    for (const waiters of this.#waiters.values()) for (const { fail } of waiters) fail();
    this.#waiters.clear();
  }

  #awaitElection(): void {
    this.#cancelElection();
    const delayMs = electionMs * (1 + this.#seat.random.next());
    this.#cancelElection = this.#seat.clock.schedule(delayMs, () => {
      if (this.#role !== 'leader') this.#stand();
      this.#awaitElection();
    });
  }

  #stand(): void {
    this.#becomeFollower(this.#epoch + 1, this.#seat.name);
    this.#role = 'candidate';
    this.#votes = new Set();
    const epoch = this.#epoch;
    const log = this.#log;
    this.#keep(() => {
      if (this.#role !== 'candidate' || epoch !== this.#epoch) return;
      this.#votes.add(this.#seat.name);
      this.#broadcast({ type: 'vote?', from: this.#seat.name, epoch, log });
      this.#maybeLead();
    });
  }

  #beat(): void {
    this.#seat.clock.schedule(beatMs, () => {
      if (this.#role === 'leader') this.#spreadLog();
      this.#beat();
    });
  }

  #spreadLog(): void {
    const epoch = this.#epoch;
    this.#broadcast({ type: 'log', from: this.#seat.name, epoch, log: this.#log, committed: this.#committed });
  }

  #broadcast(message: ToyMessage): void {
    for (const name of this.#setup.nodes) if (name !== this.#seat.name) this.#send(name, message);
  }

  #send(to: string, message: ToyMessage): void {
    this.#network.send(this.#seat.name, to, message);
  }

  /** Writes epoch, vote and log as they are now. */
  #keep(whenDurable: () => void): void {
    if (this.#journal.status !== 'open') return;
    const kept: Kept = { epoch: this.#epoch, votedFor: this.#votedFor, log: this.#log };
    const shelf = this.#shelf();
    shelf.push(kept);
    this.#version += 1;
    this.#journal.setControl('toy', Buffer.from(String(shelf.length - 1)), {
      durable: () => {
        this.#durable = kept;
        this.#version += 1;
        whenDurable();
      },
      failed() {},
    });
  }

  #shelf(): Kept[] {
    let shelf = keptByWorld.get(this.#setup.world);
    if (!shelf) {
      shelf = [];
      keptByWorld.set(this.#setup.world, shelf);
    }
    return shelf;
  }
}

function isBehind(log: Log, other: Log): boolean {
  const [epoch, otherEpoch] = [log.at(-1)?.epoch ?? 0, other.at(-1)?.epoch ?? 0];
  return epoch < otherEpoch || (epoch === otherEpoch && log.length < other.length);
}

/** How far two logs are the same. */
function commonLength(a: Log, b: Log): number {
  let length = Math.min(a.length, b.length);
  while (length > 0 && a[length - 1]!.chain !== b[length - 1]!.chain) length -= 1;
  return length;
}

function recordOf(entry: ToyEntry | undefined, position: number) {
  if (!entry) return undefined;
  const { epoch, chain, key, type, id } = entry;
  const actor = type === '' ? '' : `${type}/${id}`;
  return { position, epoch, chain, actor, commandId: key, firstSequence: 0, lastSequence: 0 };
}
