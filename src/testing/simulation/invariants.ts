/**
 * The protocol's invariants, checked after every step over what the nodes show of themselves. (I8 has no check of its
 * own: what it forbids shows as a broken I2, I4 or I5 after a crash. I12 is the simulation's: it needs time.)
 */
import { CommittedLog, commandOf } from './committed-log.ts';
import type { Acknowledgement, NodeInspection, ShardInspection } from './inspection.ts';

export type InvariantName = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I9' | 'I10' | 'I11';

export interface InvariantFinding {
  readonly invariant: InvariantName;
  readonly what: string;
}

export interface Looked {
  readonly inspection: NodeInspection;
  /** Its disk is not what was synced (the fault driver's doing): what it forgot is not held against it. */
  readonly isDestroyed: boolean;
}

/** What is remembered of one store's copy of one shard. */
interface CopyMemory {
  boot: number;
  promisedEpoch: number;
  activeEpoch: number;
  committed: number;
  committedChain: number;
  servesEpoch: number | undefined;
  last: ShardInspection;
  wasDestroyed: boolean;
  /** Its chains up to here are noted, as they were after so many rewrites. */
  noted: number;
}

/** What is remembered of one shard over all nodes. */
interface ShardMemory {
  readonly acknowledged: Map<number, Acknowledgement>;
  readonly ownerOfEpoch: Map<number, string>;
  /** By position and epoch. */
  readonly chains: Map<string, number>;
  readonly log: CommittedLog;
  /** A loss was accepted in this epoch, and nothing of a later one is committed yet. */
  cutAfterEpoch: number;
  readonly copies: Map<string, CopyMemory>;
}

export class Invariants {
  readonly #shards = new Map<number, ShardMemory>();
  readonly #versions = new Map<string, number>();
  readonly #boots = new Map<string, number>();
  #findings: InvariantFinding[] = [];

  /** Looks at every node that runs. @returns what is wrong; each thing once */
  look(nodes: readonly Looked[]): readonly InvariantFinding[] {
    this.#findings = [];
    const changed = nodes.filter((node) => this.#hasChanged(node));
    for (const node of changed) for (const shard of node.inspection.shards) this.#lookAtCopy(node, shard);
    // Only now: an acknowledgement of this step may rest on what another node did in this step.
    for (const { inspection } of changed) {
      for (const acknowledgement of inspection.takeAcknowledgements()) this.#acknowledge(inspection, acknowledgement);
      for (const { actor, sequenceNumber, snapshot, fold } of inspection.takeSnapshots())
        if (snapshot !== fold) this.#found('I11', `${actor} at ${sequenceNumber}: ${snapshot} is not ${fold}`);
    }
    return this.#findings;
  }

  /**
   * The shard goes on, from an epoch after this one, with what was left of it: once somebody knows what that is, the end of
   * what was acknowledged and committed before may be gone. What each store has promised, and knows to be committed, holds
   * as before.
   */
  lossAccepted(shard: number, epoch: number): void {
    this.#memory(shard).cutAfterEpoch = epoch;
  }

  #found(invariant: InvariantName, what: string): void {
    this.#findings.push({ invariant, what });
  }

  #hasChanged({ inspection: { storeId, boot, version }, isDestroyed }: Looked): boolean {
    const life = `${storeId}/${boot}`;
    if (this.#versions.get(life) === version) return false;
    this.#versions.set(life, version);
    const before = this.#boots.get(storeId) ?? 0;
    if (boot < before && !isDestroyed) this.#found('I5', `${storeId} starts as boot ${boot} after ${before}`);
    this.#boots.set(storeId, boot);
    return true;
  }

  #lookAtCopy({ inspection, isDestroyed }: Looked, shard: ShardInspection): void {
    const memory = this.#memory(shard.shard);
    const { storeId, boot } = inspection;
    const known = memory.copies.get(storeId);
    const isSameLife = known?.boot === boot;
    if (isSameLife && known.last === shard && known.wasDestroyed === isDestroyed) return;
    const before = known && !isDestroyed ? known : undefined;
    const who = `${storeId}, shard ${shard.shard}`;
    if (before && shard.promisedEpoch < before.promisedEpoch)
      this.#found('I5', `${who}: promised epoch ${before.promisedEpoch}, now ${shard.promisedEpoch}`);
    if (before && isSameLife && shard.activeEpoch < before.activeEpoch)
      this.#found('I5', `${who}: active epoch ${before.activeEpoch}, now ${shard.activeEpoch}`);
    if (before) this.#checkKept(who, before, shard);
    const isGrown = isSameLife && known.last.rewrites === shard.rewrites;
    const noted = this.#noteChains(memory, who, shard, isGrown ? known.noted : (before?.committed ?? 0));
    if (shard.committed > 0) this.#noteCommitted(memory, who, shard, isDestroyed);
    if (shard.servesEpoch !== undefined) this.#noteOwner(memory, storeId, shard, known, isDestroyed);
    // What is known to be committed but not on this disk yet may be gone after a crash.
    const committed = Math.min(shard.committed, shard.durableLength);
    memory.copies.set(storeId, {
      boot,
      promisedEpoch: shard.promisedEpoch,
      activeEpoch: shard.activeEpoch,
      committed,
      committedChain: shard.record(committed)?.chain ?? 0,
      servesEpoch: shard.servesEpoch,
      last: shard,
      wasDestroyed: isDestroyed,
      noted,
    });
  }

  /** I7: what this copy knew to be committed is still there, unless the log as a whole was forgotten where R4 allows it. */
  #checkKept(who: string, before: CopyMemory, shard: ShardInspection): void {
    if (before.committed === 0) return;
    const isEmpty = shard.durableLength === 0 && shard.committed === 0 && !shard.record(1);
    if (isEmpty && before.promisedEpoch <= shard.excludedEpoch()) return;
    const chain = shard.record(before.committed)?.chain;
    if (chain !== before.committedChain)
      this.#found(
        'I7',
        `${who}: position ${before.committed} was committed and is ${chain === undefined ? 'gone' : 'another'}`,
      );
  }

  /** I6: the same position and epoch mean the same chain. @returns the last position that could be read */
  #noteChains(memory: ShardMemory, who: string, shard: ShardInspection, from: number): number {
    for (let position = from + 1; ; position++) {
      const record = shard.record(position);
      if (!record) return position - 1;
      const place = `${position}/${record.epoch}`;
      const chain = memory.chains.get(place);
      if (chain === undefined) memory.chains.set(place, record.chain);
      else if (chain !== record.chain)
        this.#found(
          'I6',
          `${who}: position ${position} of epoch ${record.epoch} has chain ${record.chain}, not ${chain}`,
        );
    }
  }

  /** What is lost is the end of a log: nothing of it is there again further down (as if from its middle, I7). */
  #cutLost(memory: ShardMemory, who: string, shard: ShardInspection): void {
    if ((shard.record(shard.committed)?.epoch ?? 0) <= memory.cutAfterEpoch) return;
    memory.cutAfterEpoch = Number.POSITIVE_INFINITY;
    let kept = Math.min(memory.log.length, shard.committed);
    while (kept > 0 && shard.record(kept)?.chain !== memory.log.chainAt(kept)) kept--;
    const gone = memory.log.cutOff(kept);
    for (let position = kept + 1; position <= shard.committed; position++) {
      const record = shard.record(position);
      const made = record && `${commandOf(record)} in epoch ${record.epoch}`;
      if (made && gone.has(made)) this.#found('I7', `${who}: ${made} was kept, and what was before it was not`);
    }
    for (const position of memory.acknowledged.keys()) if (position > kept) memory.acknowledged.delete(position);
  }

  /** I9, I10: of what is committed, wherever it is known first. */
  #noteCommitted(memory: ShardMemory, who: string, shard: ShardInspection, isDestroyed: boolean): void {
    this.#cutLost(memory, who, shard);
    while (memory.log.length < shard.committed) {
      const record = shard.record(memory.log.length + 1);
      if (!record) {
        if (!isDestroyed) this.#found('I7', `${who}: position ${memory.log.length + 1} is committed and not there`);
        return;
      }
      for (const { invariant, what } of memory.log.add(record)) this.#found(invariant, `shard ${shard.shard}: ${what}`);
    }
    const agreed = memory.log.chainAt(shard.committed);
    const own = shard.record(shard.committed)?.chain;
    if (own !== undefined && own !== agreed)
      this.#found('I1', `${who}: position ${shard.committed} is committed with chain ${own}, elsewhere with ${agreed}`);
  }

  /** I3, and I2 for everything acknowledged before it began to serve. */
  #noteOwner(
    memory: ShardMemory,
    storeId: string,
    shard: ShardInspection,
    known: CopyMemory | undefined,
    isDestroyed: boolean,
  ): void {
    const epoch = shard.servesEpoch!;
    const owner = memory.ownerOfEpoch.get(epoch);
    if (owner === undefined) memory.ownerOfEpoch.set(epoch, storeId);
    else if (owner !== storeId)
      this.#found('I3', `shard ${shard.shard}: epoch ${epoch} is served by ${storeId} and by ${owner}`);
    if (known?.servesEpoch === epoch || isDestroyed) return;
    for (const acknowledged of memory.acknowledged.values()) this.#checkHeld(storeId, shard, acknowledged);
  }

  #checkHeld(storeId: string, shard: ShardInspection, acknowledged: Acknowledgement): void {
    if (shard.servesEpoch === undefined || acknowledged.epoch > shard.servesEpoch) return;
    if (shard.record(acknowledged.position)?.chain === acknowledged.chain) return;
    this.#found(
      'I2',
      `${storeId} serves shard ${shard.shard} in epoch ${shard.servesEpoch} without position ${acknowledged.position}, acknowledged in epoch ${acknowledged.epoch}`,
    );
  }

  /** I1 and I4; and I2 for who serves a later epoch already. */
  #acknowledge(by: NodeInspection, acknowledgement: Acknowledgement): void {
    const { shard, position, chain } = acknowledgement;
    const memory = this.#memory(shard);
    const before = memory.acknowledged.get(position);
    if (before && before.chain !== chain)
      this.#found('I1', `shard ${shard}: two different records were acknowledged at position ${position}`);
    if (before) return;
    memory.acknowledged.set(position, acknowledgement);
    const { activeReplicas } = by.shards.find((one) => one.shard === shard)!;
    const holders = activeReplicas.filter((storeId) => {
      const copy = memory.copies.get(storeId)?.last;
      return copy && copy.durableLength >= position && copy.record(position)?.chain === chain;
    });
    const quorum = Math.floor(activeReplicas.length / 2) + 1;
    if (holders.length < quorum)
      this.#found(
        'I4',
        `shard ${shard}: position ${position} was acknowledged and is durable on ${holders.length} of ${activeReplicas.length} replicas`,
      );
    for (const [storeId, copy] of memory.copies)
      if (copy.servesEpoch !== undefined && copy.servesEpoch > acknowledgement.epoch)
        this.#checkHeld(storeId, copy.last, acknowledgement);
  }

  #memory(shard: number): ShardMemory {
    let memory = this.#shards.get(shard);
    if (!memory) {
      memory = {
        acknowledged: new Map(),
        ownerOfEpoch: new Map(),
        chains: new Map(),
        log: new CommittedLog(),
        cutAfterEpoch: Number.POSITIVE_INFINITY,
        copies: new Map(),
      };
      this.#shards.set(shard, memory);
    }
    return memory;
  }
}
