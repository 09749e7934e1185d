/**
 * Random lives of a control cluster, from one seed: messages are lost, doubled, late and overtake each other; links
 * are cut, also one way; nodes crash and lose what was not synced; voters change, leaders hand over, logs are compacted
 * early. After every step Raft's claims are checked; when the faults stop, the cluster must elect and commit.
 */
import { ControlLog } from '../../../src/cluster/control/control-log.ts';
import type { ControlMistake, ControlOptions } from '../../../src/cluster/control/control-options.ts';
import {
  type ControlEffect,
  type ControlInput,
  type ControlMessage,
  type ControlSnapshot,
  type DurableState,
  foundedState,
} from '../../../src/cluster/control/control-protocol.ts';
import type { StoreId } from '../../../src/core/ids.ts';
import { type Random, seededRandom } from '../../../src/core/random.ts';
import { ClaimChecker, type Data } from './claims.ts';

/** Ten times faster than in production, and limits that are reached all the time. */
const options: Partial<ControlOptions> = {
  heartbeatMs: 15,
  electionMinMs: 100,
  electionMaxMs: 200,
  appendsInFlightMax: 2,
  snapshotResendMs: 150,
  compactAfterEntries: 8,
  keptEntries: 3,
};
const tickMs = 5;
const faultsUntilMs = 6_000;
const calmUntilMs = 10_000;

export type Message = ControlMessage<string, Data>;
export type Effect = ControlEffect<string, Data>;
export type Input = ControlInput<string, Data>;

/** A write that is not on the disk yet. */
type Write =
  | { readonly type: 'snapshot'; readonly snapshot: ControlSnapshot<Data> }
  | { readonly type: 'state'; readonly token: number; readonly state: DurableState<string> };

export class SimulatedNode {
  machine: ControlLog<string, Data> | undefined;
  /** Counts its lives: what was under way in an earlier one is void. */
  life = 0;
  readonly writes: Write[] = [];
  readonly disk: { state: DurableState<string> | undefined; snapshot: ControlSnapshot<Data> | undefined };
  /** The state made of what was committed: the ids, in order. */
  data: Data = { index: 0, ids: [] };

  readonly storeId: StoreId;

  constructor(storeId: StoreId, state: DurableState<string> | undefined) {
    this.storeId = storeId;
    this.disk = { state, snapshot: undefined };
  }
}

export interface SimulationOutcome {
  readonly violations: readonly string[];
  readonly committed: number;
  readonly leaders: number;
  readonly crashes: number;
  readonly voterChanges: number;
  readonly restores: number;
}

/** One life of a cluster. It ends at the first violation. */
export function simulate(seed: number, mistake?: ControlMistake): SimulationOutcome {
  return new Simulation(seed, mistake).run();
}

class Simulation {
  readonly #random: Random;
  readonly #mistake: ControlMistake | undefined;
  readonly #nodes: SimulatedNode[];
  readonly #claims = new ClaimChecker();
  readonly #agenda: (() => void)[][] = [];
  /** `from→to` that let nothing through. */
  readonly #cut = new Set<string>();
  #nowMs = 0;
  #faulty = true;
  #proposals = 0;
  #crashes = 0;
  #restores = 0;
  readonly #lossRatio: number;
  readonly #slowDisk: boolean;
  readonly #appendEntriesMax: number;
  /** Longest pause between two faults. */
  readonly #faultEveryMs: number;
  /** How often a node dies when it has just told its vote. */
  readonly #diesAfterVote: number;
  readonly #latencyMs: number;
  /** Leaders are cut off when they have hardly begun, so that logs differ in many terms. */
  readonly #churns: boolean;

  constructor(seed: number, mistake: ControlMistake | undefined) {
    this.#random = seededRandom(seed);
    this.#mistake = mistake;
    this.#lossRatio = this.#random.next() < 0.5 ? 0.02 : 0.15;
    this.#slowDisk = this.#chance(0.5);
    this.#churns = this.#chance(0.4);
    this.#appendEntriesMax = this.#churns ? 1 : 1 + Math.floor(this.#upTo(3));
    this.#faultEveryMs = this.#chance(0.5) ? 60 : 200;
    this.#diesAfterVote = this.#chance(0.5) ? 0.4 : 0;
    this.#latencyMs = this.#chance(0.5) ? 8 : 40;
    const names = ['a', 'b', 'c', 'd', 'e'] as StoreId[];
    const founded = foundedState<string>('a' as StoreId);
    // Some grow from their founder, others have been growing before.
    const first = names.slice(0, this.#churns && this.#chance(0.5) ? 4 : 1 + Math.floor(this.#upTo(4)));
    const state = { ...founded, entries: [{ ...founded.entries[0]!, voters: first } as never] };
    this.#nodes = names.map((name) => new SimulatedNode(name, first.includes(name) ? state : undefined));
  }

  run(): SimulationOutcome {
    for (const node of this.#nodes) this.#start(node);
    this.#later(50, () => this.#workload());
    this.#later(300, () => this.#fault());
    for (; this.#nowMs < calmUntilMs && this.#claims.violations.length === 0; this.#nowMs++) {
      if (this.#nowMs === faultsUntilMs) this.#calm();
      const due = this.#agenda[this.#nowMs] ?? [];
      // What falls due in one millisecond happens in any order.
      while (due.length > 0 && this.#claims.violations.length === 0)
        due.splice(Math.floor(this.#random.next() * due.length), 1)[0]!();
      delete this.#agenda[this.#nowMs];
    }
    if (this.#claims.violations.length === 0) this.#checkAlive();
    const { violations, leadersByTerm, committed, voterChanges } = this.#claims;
    const [crashes, restores] = [this.#crashes, this.#restores];
    return {
      violations,
      committed: committed.size,
      leaders: leadersByTerm.size,
      crashes,
      voterChanges: voterChanges.size,
      restores,
    };
  }

  // ── nodes ──

  #start(node: SimulatedNode): void {
    node.life += 1;
    node.data = node.disk.snapshot?.data ?? { index: 0, ids: [] };
    const random = seededRandom(Math.floor(this.#random.next() * 2 ** 32));
    const mistake = this.#mistake ? { mistake: this.#mistake } : {};
    this.#guard(node, () => {
      node.machine = new ControlLog({
        self: node.storeId,
        durable: { state: node.disk.state, snapshot: node.disk.snapshot },
        random,
        sizeOf: (change) => change.length,
        options: { ...options, appendEntriesMax: this.#appendEntriesMax, ...mistake },
      });
    });
    this.#step(node, { type: 'learners', storeIds: this.#nodes.map(({ storeId }) => storeId) });
    this.#tick(node, node.life);
  }

  #tick(node: SimulatedNode, life: number): void {
    if (node.life !== life || !node.machine) return;
    this.#step(node, { type: 'tick' });
    this.#later(tickMs, () => this.#tick(node, life));
  }

  #crash(node: SimulatedNode): void {
    if (!node.machine) return;
    this.#crashes += 1;
    node.machine = undefined;
    node.life += 1;
    node.writes.length = 0;
  }

  #step(node: SimulatedNode, input: Input): void {
    const { machine } = node;
    if (!machine || this.#claims.violations.length > 0) return;
    this.#guard(node, () => {
      const effects = machine.step(input, this.#nowMs);
      this.#claims.check(node, effects, machine.voters);
      for (const effect of effects) this.#carryOut(node, effect);
    });
  }

  /** A failed assertion is a violation found by the machine itself. */
  #guard(node: SimulatedNode, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#claims.violations.push(`${node.storeId} at ${this.#nowMs} ms: ${(error as Error).message}`);
    }
  }

  #carryOut(node: SimulatedNode, effect: Effect): void {
    switch (effect.type) {
      case 'send':
        this.#send(node.storeId, effect.to, effect.message);
        if (this.#faulty && effect.message.type === 'voteReply' && this.#chance(this.#diesAfterVote))
          this.#later(this.#upTo(4), () => this.#crashForAWhile(node, 4));
        break;
      case 'becameLeader':
        this.#troubleNewLeader(node);
        break;
      case 'persistSnapshot':
        this.#write(node, { type: 'snapshot', snapshot: effect.snapshot });
        break;
      case 'persist':
        this.#write(node, { type: 'state', token: effect.token, state: effect.state });
        break;
      case 'committed':
        node.data = {
          index: effect.entries.at(-1)!.index,
          ids: [...node.data.ids, ...effect.entries.map(({ id }) => id)],
        };
        break;
      case 'restoreSnapshot':
        this.#restores += 1;
        node.data = effect.snapshot;
        break;
      case 'snapshotWanted': {
        // Taken a while after it was asked for, or never.
        if (this.#chance(0.1)) break;
        const [life, data] = [node.life, node.data];
        this.#later(this.#upTo(40), () => {
          if (node.life === life) this.#step(node, { type: 'snapshotTaken', index: effect.index, snapshot: data });
        });
        break;
      }
    }
  }

  #write(node: SimulatedNode, write: Write): void {
    node.writes.push(write);
    const { life } = node;
    const delayMs = this.#faulty && this.#slowDisk && this.#chance(0.1) ? this.#upTo(120) : this.#upTo(6);
    this.#later(delayMs, () => {
      if (node.life !== life) return;
      // In order: when this one is on disk, so is everything before it.
      const place = node.writes.indexOf(write);
      for (const done of node.writes.splice(0, place + 1)) {
        if (done.type === 'snapshot') node.disk.snapshot = done.snapshot;
        else {
          node.disk.state = done.state;
          this.#step(node, { type: 'durable', token: done.token });
        }
      }
    });
  }

  // ── the network ──

  #send(from: StoreId, to: StoreId, message: Message): void {
    if (this.#faulty && this.#chance(this.#lossRatio)) return;
    const copies = this.#faulty && this.#chance(0.05) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const delayMs =
        this.#faulty && this.#chance(0.05) ? this.#upTo(400) : this.#upTo(this.#faulty ? this.#latencyMs : 8);
      this.#later(delayMs, () => {
        if (this.#cut.has(`${from}→${to}`)) return;
        this.#step(this.#node(to), { type: 'message', from, message });
      });
    }
  }

  // ── what happens to it ──

  #workload(): void {
    const node = this.#pick(this.#nodes);
    const leader = this.#nodes.find(({ machine }) => machine?.role === 'leader') ?? node;
    const target = this.#chance(0.7) ? leader : node;
    const isRepeated = this.#proposals > 0 && this.#chance(0.25);
    if (!isRepeated) this.#proposals += 1;
    const number = isRepeated ? 1 + Math.floor(this.#random.next() * this.#proposals) : this.#proposals;
    this.#step(target, { type: 'propose', id: `p${number}`, change: `change ${number}` });
    this.#later(this.#upTo(30), () => this.#workload());
  }

  #fault(): void {
    if (!this.#faulty) return;
    const node = this.#pick(this.#nodes);
    const leaders = this.#nodes.filter(({ machine }) => machine?.role === 'leader');
    const what = this.#random.next();
    if (what < 0.08) this.#partition();
    else if (what < 0.16) for (const leader of leaders) this.#isolate(leader);
    else if (what < 0.2) this.#rush();
    else if (what < 0.3) this.#cut.add(`${node.storeId}→${this.#pick(this.#nodes).storeId}`);
    else if (what < 0.45) this.#cut.clear();
    else if (what < 0.55) this.#crashForAWhile(node);
    else if (what < 0.62) for (const leader of leaders) this.#crashForAWhile(leader);
    else if (what < 0.66) for (const each of this.#nodes) this.#crashForAWhile(each);
    else if (what < 0.92) for (const leader of leaders) this.#changeVoters(leader);
    else if (what < 0.96) for (const leader of leaders) this.#step(leader, { type: 'transferLeadership' });
    else this.#hint(node);
    this.#later(this.#upTo(this.#faultEveryMs), () => this.#fault());
  }

  /** Just elected, nothing committed: the moment at which the rules of a term's beginning matter. */
  #troubleNewLeader(leader: SimulatedNode): void {
    if (!this.#faulty) return;
    if (this.#chance(this.#churns ? 0.6 : 0.3)) this.#later(0, () => this.#changeVoters(leader));
    if (this.#chance(this.#churns ? 0.7 : 0.3)) {
      this.#later(this.#upTo(3 * this.#latencyMs), () => this.#isolate(leader));
      if (this.#churns) this.#later(this.#upTo(300), () => this.#cut.clear());
    }
    if (this.#chance(0.15)) this.#later(this.#upTo(25), () => this.#crashForAWhile(leader));
  }

  /** A leader, alone or with a few, goes on for a while and makes a tail that others will not have. */
  #isolate(leader: SimulatedNode): void {
    if (!this.#faulty) return;
    this.#partition((node) => node === leader || this.#chance(this.#churns ? 0.35 : 0.2));
    for (let count = 0; count < 3; count++) this.#proposeNew(leader);
    if (this.#chance(0.5)) this.#changeVoters(leader);
    this.#later(this.#upTo(60), () => this.#proposeNew(leader));
  }

  /** Two nodes stand for election at once, and everybody believes that the leader is dead. */
  #rush(): void {
    for (const node of this.#nodes) {
      const leader = node.machine?.leader;
      if (leader !== undefined) this.#step(node, { type: 'linkDown', peer: leader });
    }
    for (let count = 0; count < 2; count++) this.#step(this.#pick(this.#nodes), { type: 'campaignNow' });
  }

  #proposeNew(node: SimulatedNode): void {
    this.#proposals += 1;
    this.#step(node, { type: 'propose', id: `p${this.#proposals}`, change: `change ${this.#proposals}` });
  }

  #partition(isLeft: (node: SimulatedNode) => boolean = () => this.#chance(0.5)): void {
    this.#cut.clear();
    const left = this.#nodes.filter(isLeft);
    for (const a of this.#nodes) {
      for (const b of this.#nodes) {
        if (left.includes(a) !== left.includes(b)) this.#cut.add(`${a.storeId}→${b.storeId}`);
      }
    }
  }

  #crashForAWhile(node: SimulatedNode, forMs = this.#chance(0.5) ? 20 : 600): void {
    if (!node.machine || !this.#faulty) return;
    this.#crash(node);
    const { life } = node;
    this.#later(this.#upTo(forMs), () => {
      if (node.life === life && !node.machine) this.#start(node);
    });
  }

  #changeVoters(leader: SimulatedNode): void {
    for (let change = 0; change < 2; change++) {
      const voters = leader.machine?.voters ?? [];
      const { storeId } = this.#pick(this.#nodes);
      const isIn = voters.includes(storeId);
      const next = isIn ? voters.filter((voter) => voter !== storeId) : [...voters, storeId];
      this.#step(leader, { type: 'proposeVoters', id: `v${this.#random.next()}`, voters: next });
    }
  }

  #hint(node: SimulatedNode): void {
    const peer = this.#pick(this.#nodes).storeId;
    const inputs: Input[] = [{ type: 'campaignNow' }, { type: 'linkDown', peer }, { type: 'linkUp', peer }];
    this.#step(node, this.#pick(inputs));
  }

  #calm(): void {
    this.#faulty = false;
    this.#cut.clear();
    for (const node of this.#nodes) if (!node.machine) this.#start(node);
  }

  #checkAlive(): void {
    const indexes = this.#nodes.map(({ data }) => data.index);
    const leader = this.#nodes.find(({ machine }) => machine?.isEstablished);
    const newest = Math.max(...indexes);
    if (!leader) this.#claims.violations.push('nobody leads when the faults have stopped');
    if (Math.min(...indexes) < newest - 8) this.#claims.violations.push(`not everybody follows: ${indexes.join(', ')}`);
    const before = [...this.#claims.committed.entries()].filter(([, { atMs }]) => atMs > calmUntilMs - 1_000);
    if (before.length === 0) this.#claims.violations.push('nothing is committed when the faults have stopped');
  }

  // ── time and chance ──

  #later(delayMs: number, act: () => void): void {
    const atMs = this.#nowMs + Math.max(1, Math.round(delayMs));
    this.#agenda[atMs] ??= [];
    this.#agenda[atMs].push(() => {
      this.#claims.nowMs = this.#nowMs;
      act();
    });
  }

  #node(storeId: StoreId): SimulatedNode {
    return this.#nodes.find((node) => node.storeId === storeId)!;
  }

  #upTo(ms: number): number {
    return this.#random.next() * ms;
  }

  #chance(ratio: number): boolean {
    return this.#random.next() < ratio;
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.next() * list.length)]!;
  }
}
