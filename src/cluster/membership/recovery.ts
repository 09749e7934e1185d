/**
 * Going on after a loss, on an operator's word: says which shards lack the copies that a seal needs, and which stores those
 * are on; and has the cluster give stores up, which is one change of the map (loss.ts).
 *
 * Where most voters are lost no change can be decided any more. Then one of the members that are left begins a new control
 * log, alone, from the newest map that any of them knows, and the others take it in. Which one that is follows from what
 * their logs hold, so several operators at several nodes end up at the same. All that are left have to be there for it.
 */
import { GreenroomError } from '../../core/errors.ts';
import type { ShardId, StoreId } from '../../core/ids.ts';
import { isMajority } from '../control/voters.ts';
import type { LossAccepted, LossRequest, RecoveryInfo } from '../gateway.ts';
import type { ClusterMember } from '../member.ts';
import { reaches } from './cluster-info.ts';
import { type ClusterMap, type Member, membersOf } from './cluster-map.ts';
import { isGone, lostShards, mapAfterControlLoss } from './loss.ts';
import { applyChange, mapFromPlain, mapToPlain } from './map-changes.ts';
import { commit } from './member-requests.ts';
import { namesIn, shardsInDoubt } from './shards-in-doubt.ts';

/** The question that members answer each other about it. */
export const controlLogQuestion = 'controlLog';
/** The request, passed on to the member that has to carry it out. */
export const acceptLossQuestion = 'acceptLoss';

const questionTimeoutMs = 5_000;
const newLogTimeoutMs = 15_000;
const lookEveryMs = 50;
/** Terms that voters who were given up may have reached by themselves, and more. */
const unknownTerms = 1_000;

export interface RecoveryOptions {
  readonly member: ClusterMember;
  readonly wallMs: () => number;
  readonly nowMs: () => number;
  readonly schedule: (delayMs: number, task: () => void) => void;
}

/** What a member holds of the control log. */
interface ControlLogHeld {
  readonly term: number;
  readonly last: { readonly index: number; readonly term: number };
  readonly leads: boolean;
  readonly map: ClusterMap;
}

export class Recovery {
  readonly #options: RecoveryOptions;
  #isBusy = false;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  // ---- what is lost -----------------------------------------------------------------------------------------

  info(): RecoveryInfo {
    const { voters } = this.#options.member.control;
    const map = this.#newestMap();
    if (!map) return { decides: false, voters: [], away: [], shards: [] };
    const nameOf = namesIn(map);
    return {
      decides: this.#decides,
      voters: voters.map(nameOf).sort(),
      away: this.#away(map, new Set()).map(({ node }) => node),
      shards: shardsInDoubt(map, (store) => this.#reaches(store)),
    };
  }

  get #decides(): boolean {
    return isMajority(this.#options.member.control.voters, (voter) => this.#reaches(voter));
  }

  #reaches(store: StoreId): boolean {
    return reaches(this.#options.member, store);
  }

  /** Members that are not given up, and not in reach. */
  #away(map: ClusterMap, lost: ReadonlySet<StoreId>): readonly Member[] {
    return membersOf(map).filter(({ storeId }) => !lost.has(storeId) && !this.#reaches(storeId));
  }

  /** A node that nobody leads may hold more in its log than was told to be committed. */
  #newestMap(): ClusterMap | undefined {
    const { member } = this.#options;
    if (member.map && this.#decides) return member.map;
    const { state, snapshot } = member.control.held();
    let held = snapshot?.data;
    for (const entry of state?.entries ?? [])
      if (entry.type === 'change' && entry.index > (held?.version ?? 0))
        held = applyChange(held, entry.change, entry.index);
    return newer(member.map, held);
  }

  // ---- giving up --------------------------------------------------------------------------------------------

  /** See {@link Gateway.acceptLoss}. */
  async accept(request: LossRequest): Promise<LossAccepted> {
    if (this.#isBusy) throw new GreenroomError('OVERLOADED', 'a loss is being accepted here already');
    this.#isBusy = true;
    try {
      return await this.#accept(request);
    } finally {
      this.#isBusy = false;
    }
  }

  async #accept(request: LossRequest): Promise<LossAccepted> {
    const map = this.#newestMap();
    if (!map) throw unavailable('this node knows nothing of its cluster yet; ask another one');
    const lost = this.#named(map, request.lost);
    const stores = new Set(lost.map(({ storeId }) => storeId));
    const { voters } = this.#options.member.control;
    const canDecide = isMajority(voters, (voter) => !stores.has(voter) && !isGone(map, voter));
    if (!canDecide) return this.#beginAnew(map, request, stores);
    if (!this.#decides) {
      const missing = voters.filter((voter) => !this.#reaches(voter)).map(namesIn(map));
      throw forbidden(
        `the cluster cannot decide anything: of its voters ${list(voters.map(namesIn(map)))} this node does not reach ${list(missing)}. Start them again; name those whose disks are lost`,
      );
    }
    return this.#giveUp(map, request, lost);
  }

  /** The members that an operator names. What was given up before needs no second word, and no other store takes its place. */
  #named(map: ClusterMap, names: readonly string[]): readonly Member[] {
    return names.flatMap((name) => {
      const known = [...map.members.values()].filter(({ node }) => node === name);
      const member = known.find(({ status }) => status !== 'removed');
      if (known.length === 0) throw new GreenroomError('NOT_FOUND', `there is no member '${name}'`);
      if (!member) return [];
      if (!this.#reaches(member.storeId)) return [member];
      if (known.length > 1) return [];
      throw forbidden(`${name} is there and answers: what is on its disk is not lost`);
    });
  }

  async #giveUp(map: ClusterMap, request: LossRequest, lost: readonly Member[]): Promise<LossAccepted> {
    const { member, wallMs } = this.#options;
    const stores = new Set(lost.map(({ storeId }) => storeId));
    const shards = lostShards(map, stores);
    if (shards.length === 0) {
      if (lost.length > 0)
        throw forbidden(
          `no shard is lost with ${list(lost.map(({ node }) => node))}: enough copies are elsewhere. \`greenroom remove\` has them made anew`,
        );
      const doubts = shardsInDoubt(map, (store) => this.#reaches(store));
      if (doubts.length > 0)
        throw forbidden(
          `nothing is lost: ${doubts.length} shards wait for ${list([...new Set(doubts.flatMap(({ away }) => away))])}. Start them again with the disks they had; only if those are lost, name them`,
        );
      return { shards: [], removed: [], controlLog: false };
    }
    this.#mustBeKnown(request, shards);
    this.#mustAllBeThere(map, stores);
    for (const { storeId, boot, downSinceMs } of lost)
      if (downSinceMs === 0) await commit(member, { type: 'memberDown', storeId, boot, atMs: wallMs() });
    const lives = lost.map(({ storeId, boot }) => ({ storeId, boot }));
    await commit(member, { type: 'lossAccepted', lost: lives, shards, atMs: wallMs() });
    const back = lost.filter(({ storeId }) => !isGone(member.map!, storeId));
    if (back.length > 0) throw forbidden(`nothing was done: ${list(back.map(({ node }) => node))} came back meanwhile`);
    return { shards, removed: lost.map(({ node }) => node), controlLog: false };
  }

  /** What whoever asks has not seen is not given up in their name. */
  #mustBeKnown({ shards: known }: LossRequest, shards: readonly ShardId[]): void {
    const more = known ? shards.filter((shard) => !known.includes(shard)) : [];
    if (more.length > 0)
      throw forbidden(`more is lost than you named: shards ${list(more.map(String))}. Look again, then name them, too`);
  }

  /** Any of them may hold the best copy that is left, even one that the map does not know of. */
  #mustAllBeThere(map: ClusterMap, lost: ReadonlySet<StoreId>): void {
    const away = this.#away(map, lost).map(({ node }) => node);
    if (away.length > 0)
      throw forbidden(
        `everyone who is left has to be there, and ${list(away)} cannot be reached: what is on that disk may be the best copy. Start it, or name it as lost, too`,
      );
  }

  // ---- when nobody can decide any more ------------------------------------------------------------------------

  async #beginAnew(known: ClusterMap, request: LossRequest, lost: ReadonlySet<StoreId>): Promise<LossAccepted> {
    const { member, wallMs } = this.#options;
    this.#mustAllBeThere(known, lost);
    const held = await this.#heldByAll(membersOf(known).filter(({ storeId }) => !lost.has(storeId)));
    const chosen = newestLog(held);
    if (chosen !== member.storeId)
      return (await member.queries.ask(chosen, acceptLossQuestion, request, newLogTimeoutMs)) as LossAccepted;
    const all = [...held.values()];
    const map = all.map((each) => each.map).reduce((a, b) => (b.version > a.version ? b : a));
    this.#mustAllBeThere(map, lost);
    this.#mustBeKnown(
      request,
      map.shards.map((_, shard) => shard),
    );
    const index = Math.max(...all.flatMap((each) => [each.last.index, each.map.version])) + 1;
    const term = Math.max(...all.map((each) => each.term)) + unknownTerms;
    try {
      await member.control.beginAnew({ index, term }, mapAfterControlLoss(map, lost, index, wallMs()));
    } catch (error) {
      throw unavailable(`this node cannot begin a new control log: ${(error as Error).message}`);
    }
    await this.#established();
    const removed = membersOf(known).filter(({ storeId }) => lost.has(storeId));
    return { shards: map.shards.map((_, shard) => shard), removed: removed.map(({ node }) => node), controlLog: true };
  }

  /** Once none of them leads: a leader without a majority steps down by itself, and nothing is appended from then on. */
  async #heldByAll(members: readonly Member[]): Promise<ReadonlyMap<StoreId, ControlLogHeld>> {
    const { member, nowMs } = this.#options;
    for (const endMs = nowMs() + questionTimeoutMs; ; await this.#pause()) {
      const held = new Map<StoreId, ControlLogHeld>();
      for (const { storeId } of members)
        held.set(storeId, storeId === member.storeId ? this.#held() : await this.#heldBy(storeId));
      if (![...held.values()].some(({ leads }) => leads)) return held;
      if (nowMs() >= endMs) throw unavailable('somebody leads the cluster; look again');
    }
  }

  async #established(): Promise<void> {
    const { member, nowMs } = this.#options;
    for (const endMs = nowMs() + newLogTimeoutMs; !member.control.isEstablished; await this.#pause())
      if (nowMs() >= endMs) throw unavailable('the new control log is begun, and nobody leads it yet');
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.schedule(lookEveryMs, resolve));
  }

  #held(): ControlLogHeld {
    const { member } = this.#options;
    const { state, snapshot } = member.control.held();
    const map = this.#newestMap();
    if (!map) throw unavailable('this node knows nothing of its cluster yet');
    const newest = state?.entries.at(-1) ?? snapshot;
    return {
      term: Math.max(member.control.term, state?.term ?? 0),
      last: { index: newest?.index ?? 0, term: newest?.term ?? 0 },
      leads: member.control.isLeader,
      map,
    };
  }

  async #heldBy(store: StoreId): Promise<ControlLogHeld> {
    const answer = await this.#options.member.queries.ask(store, controlLogQuestion, [], questionTimeoutMs);
    const { map, ...held } = answer as Omit<ControlLogHeld, 'map'> & { readonly map: unknown };
    return { ...held, map: mapFromPlain(map) };
  }

  /** Answers the questions of other members; undefined if it is none of them. */
  answer(name: string, input: unknown): Promise<unknown> | undefined {
    if (name === acceptLossQuestion) return this.accept(input as LossRequest);
    return name === controlLogQuestion ? this.#plainHeld() : undefined;
  }

  async #plainHeld(): Promise<unknown> {
    const { map, ...held } = this.#held();
    return { ...held, map: mapToPlain(map) };
  }
}

/** Ends in the newest term, and is the longest of those; of several the one whose store comes first. */
function newestLog(held: ReadonlyMap<StoreId, ControlLogHeld>): StoreId {
  const order = [...held].sort(
    ([a, { last: x }], [b, { last: y }]) => y.term - x.term || y.index - x.index || (a < b ? -1 : 1),
  );
  return order[0]![0];
}

function newer(a: ClusterMap | undefined, b: ClusterMap | undefined): ClusterMap | undefined {
  return a && (!b || a.version >= b.version) ? a : b;
}

function list(names: readonly string[]): string {
  return [...names].sort().join(', ') || 'nobody';
}

function forbidden(why: string): GreenroomError {
  return new GreenroomError('FORBIDDEN', why);
}

function unavailable(why: string): GreenroomError {
  return new GreenroomError('UNAVAILABLE', why, { retryAfterMs: 1_000 });
}
