/** Raft's claims, held against everything that the nodes of a simulated cluster do. What breaks one is a violation. */
import type { CommittedEntry, ControlEntry, DurableState } from '../../../src/cluster/control/control-protocol.ts';
import type { StoreId } from '../../../src/core/ids.ts';
import type { Effect, Message, SimulatedNode } from './simulation.ts';

/** The simulated state: which ids were committed, up to which index. */
export interface Data {
  readonly index: number;
  readonly ids: readonly string[];
}

interface Committed {
  readonly term: number;
  readonly id: string;
  readonly atMs: number;
}

export class ClaimChecker {
  readonly violations: string[] = [];
  readonly leadersByTerm = new Map<number, StoreId>();
  readonly committed = new Map<number, Committed>();
  readonly voterChanges = new Map<number, string>();
  nowMs = 0;
  readonly #indexById = new Map<string, number>();
  readonly #votes = new Map<string, StoreId>();
  /** `index/term` → what is there, and the term before it. */
  readonly #entries = new Map<string, string>();

  /** Before the effects are carried out: the disk is as it was when they were made. */
  check(node: SimulatedNode, effects: readonly Effect[], voters: readonly StoreId[]): void {
    let appliedIndex = node.data.index;
    for (const effect of effects) {
      switch (effect.type) {
        case 'send':
          this.#checkDurable(node, effect.message);
          this.#checkVote(node.storeId, effect.to, effect.message);
          break;
        case 'persist':
          this.#checkMatching(effect.state);
          this.#checkVoters(node, effect.state, voters);
          break;
        case 'becameLeader':
          this.#checkElection(node, effect.term);
          this.#checkCompleteness(node, effects);
          break;
        case 'committed':
          for (const entry of effect.entries) {
            if (entry.index <= appliedIndex) this.#violated(node, `committed ${entry.index} after ${appliedIndex}`);
            appliedIndex = entry.index;
            this.#checkCommitted(node, entry);
          }
          this.#checkNoGap(node, node.data.index, effect.entries);
          break;
        case 'votersCommitted': {
          const voters = effect.voters.join();
          const known = this.voterChanges.get(effect.index) ?? voters;
          if (known !== voters) this.#violated(node, `voters at ${effect.index} are ${voters}, were ${known}`);
          this.voterChanges.set(effect.index, voters);
          break;
        }
        case 'restoreSnapshot':
          if (effect.index <= node.data.index)
            this.#violated(node, `restored ${effect.index} after ${node.data.index}`);
          this.#checkSnapshot(node, effect.snapshot, effect.index);
          appliedIndex = effect.index;
          break;
      }
    }
  }

  /** Vote durability, and I8: what a message reveals is on the disk of who sends it. */
  #checkDurable(node: SimulatedNode, message: Message): void {
    const { state, snapshot } = node.disk;
    const term = state?.term ?? 0;
    const last = state?.entries.at(-1)?.index ?? 0;
    const held = Math.max(last, snapshot?.index ?? 0);
    const isOld = message.type !== 'preVote' && message.type !== 'preVoteReply' && message.term < term;
    if (isOld) return;
    const revealed = message.type === 'preVoteReply' ? message.current : message.term;
    if (message.type !== 'preVote' && revealed > term)
      this.#violated(node, `${message.type} reveals term ${revealed}, on disk is ${term}`);
    if (message.type === 'voteReply' && message.isGranted && state?.vote === undefined)
      this.#violated(node, `a vote in term ${message.term} is not on disk`);
    if (message.type === 'vote' && state?.vote !== node.storeId)
      this.#violated(node, `its own vote in term ${message.term} is not on disk`);
    if (message.type === 'appended' && message.match > held)
      this.#violated(node, `tells ${message.match}, on disk is ${held}`);
    if (message.type === 'append' && (message.entries.at(-1)?.index ?? 0) > held)
      this.#violated(node, `sends ${message.entries.at(-1)!.index}, on disk is ${held}`);
  }

  /** One vote per store and term, whatever crashes. */
  #checkVote(from: StoreId, to: StoreId, message: Message): void {
    const voted = message.type === 'vote' ? from : message.type === 'voteReply' && message.isGranted ? to : undefined;
    if (voted === undefined) return;
    const key = `${from}/${message.term}`;
    const known = this.#votes.get(key) ?? voted;
    if (known !== voted) this.violations.push(`${from} votes for ${known} and ${voted} in term ${message.term}`);
    this.#votes.set(key, voted);
  }

  #checkElection(node: SimulatedNode, term: number): void {
    const known = this.leadersByTerm.get(term) ?? node.storeId;
    if (known !== node.storeId) this.#violated(node, `leads in term ${term}, and so does ${known}`);
    this.leadersByTerm.set(term, node.storeId);
  }

  /** Same index and term: same entry, and the same before it. */
  #checkMatching({ snapshot, entries }: DurableState<string>): void {
    let before = snapshot.term;
    for (const entry of entries) {
      const key = `${entry.index}/${entry.term}`;
      const what = `${contentOf(entry)} after ${before}`;
      const known = this.#entries.get(key) ?? what;
      if (known !== what) this.violations.push(`logs differ at ${key}: ${known}, and ${what}`);
      this.#entries.set(key, what);
      before = entry.term;
    }
  }

  /** The voters in force are those of the newest entry that names some, whether it is committed or not. */
  #checkVoters(node: SimulatedNode, { entries }: DurableState<string>, voters: readonly StoreId[]): void {
    const newest = entries.findLast((entry) => entry.type === 'voters');
    if (newest && newest.voters.join() !== voters.join())
      this.#violated(node, `counts ${voters.join()}, its log says ${newest.voters.join()}`);
  }

  /** A new leader holds everything that was committed before. */
  #checkCompleteness(node: SimulatedNode, effects: readonly Effect[]): void {
    const persist = effects.find((effect) => effect.type === 'persist');
    if (!persist) return;
    const { snapshot, entries } = persist.state;
    for (const [index, { term }] of this.committed) {
      if (index <= snapshot.index) continue;
      const held = entries[index - snapshot.index - 1];
      if (held?.term !== term) this.#violated(node, `leads without ${index} of term ${term}, which is committed`);
    }
  }

  /** State machine safety, and that an id is committed once. */
  #checkCommitted(node: SimulatedNode, { index, term, id }: CommittedEntry<string>): void {
    const known = this.committed.get(index);
    if (known && (known.id !== id || known.term !== term))
      this.#violated(
        node,
        `commits ${id} of term ${term} at ${index}, where ${known.id} of ${known.term} is committed`,
      );
    if (!known) this.committed.set(index, { term, id, atMs: this.nowMs });
    const before = this.#indexById.get(id) ?? index;
    if (before !== index) this.#violated(node, `${id} is committed at ${before} and at ${index}`);
    this.#indexById.set(id, index);
  }

  #checkNoGap(node: SimulatedNode, from: number, entries: readonly CommittedEntry<string>[]): void {
    const told = new Set(entries.map(({ index }) => index));
    for (let index = from + 1; index < entries.at(-1)!.index; index++) {
      if (this.committed.has(index) && !told.has(index) && index > from && index > entries[0]!.index)
        this.#violated(node, `was not told of ${index}`);
    }
  }

  #checkSnapshot(node: SimulatedNode, { ids }: Data, index: number): void {
    const expected = [...this.committed]
      .filter(([at]) => at <= index)
      .sort(([a], [b]) => a - b)
      .map(([, { id }]) => id);
    if (expected.join() !== ids.join()) this.#violated(node, `its snapshot at ${index} is not what was committed`);
  }

  #violated(node: SimulatedNode, what: string): void {
    this.violations.push(`${node.storeId} at ${this.nowMs} ms: ${what}`);
  }
}

function contentOf(entry: ControlEntry<string>): string {
  if (entry.type === 'start') return 'start';
  return entry.type === 'change' ? `${entry.id}=${entry.change}` : `voters ${entry.voters.join()}`;
}
