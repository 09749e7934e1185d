/**
 * Answers without a record (queries, rejections, "not found") must reflect everything acknowledged before they were
 * asked for. Their owner may have been replaced without knowing, so it asks: one round to the other replicas, sent after
 * the question arrived; a write quorum that still has this epoch as its promise says that nobody else serves (R3).
 *
 * Rounds are shared by all shards and questions of one turn of the event loop.
 */
import type { Confirmation } from '../../actors/shard-log.ts';
import type { StoreId } from '../../core/ids.ts';
import { beforeFirst } from '../life-numbers.ts';
import { encodeShardMessage, type ShardEpoch } from './shard-messages.ts';

/** A shard that asks. */
export interface CheckedShard extends ShardEpoch {
  readonly peers: readonly StoreId[];
  /** Peers that must agree, besides this store. */
  readonly peersNeeded: number;
  readonly isServing: boolean;
  /** A replica has promised a later epoch. */
  outdated(): void;
}

interface Question {
  readonly shard: CheckedShard;
  readonly waiting: Confirmation[];
  readonly agreed: Set<StoreId>;
}

interface Round {
  readonly questions: Map<number, Question>;
  readonly sentAtMs: number;
}

export interface ReadChecksOptions {
  /** This life of the store: an answer to a former one is no answer. */
  readonly boot: number;
  readonly send: (to: StoreId, message: Buffer) => boolean;
  readonly defer: (task: () => void) => void;
  readonly nowMs: () => number;
}

/** A round without enough answers is asked again after this. */
const askAgainAfterMs = 250;

export class ReadChecks {
  readonly #options: ReadChecksOptions;
  #next = new Map<number, Question>();
  readonly #rounds = new Map<number, Round>();
  #lastRound: number;

  constructor(options: ReadChecksOptions) {
    this.#options = options;
    this.#lastRound = beforeFirst(options.boot);
  }

  add(shard: CheckedShard, confirmation: Confirmation): void {
    const known = this.#next.get(shard.shard);
    if (known && known.shard === shard) {
      known.waiting.push(confirmation);
      return;
    }
    if (known) for (const each of known.waiting) each.lost();
    if (this.#next.size === 0) this.#options.defer(() => this.#ask());
    this.#next.set(shard.shard, { shard, waiting: [confirmation], agreed: new Set() });
  }

  answered(from: StoreId, roundNumber: number, refused: readonly number[], behind: readonly number[]): void {
    const round = this.#rounds.get(roundNumber);
    if (!round) return;
    for (const [number, question] of round.questions) {
      const { shard } = question;
      if (!shard.peers.includes(from) || behind.includes(number)) continue;
      if (refused.includes(number)) {
        round.questions.delete(number);
        this.#lose(question);
        shard.outdated();
        continue;
      }
      question.agreed.add(from);
      if (question.agreed.size < shard.peersNeeded) continue;
      round.questions.delete(number);
      if (shard.isServing) for (const each of question.waiting) each.confirmed();
      else this.#lose(question);
    }
    if (round.questions.size === 0) this.#rounds.delete(roundNumber);
  }

  /** A shard is served here no more: nobody waits for it any longer. */
  drop(shard: CheckedShard): void {
    for (const [roundNumber, round] of this.#rounds) {
      this.#dropFrom(round.questions, shard);
      if (round.questions.size === 0) this.#rounds.delete(roundNumber);
    }
    this.#dropFrom(this.#next, shard);
  }

  /** Asks again where too few answered: a link broke, or a replica was slow. */
  sweep(): void {
    const nowMs = this.#options.nowMs();
    for (const [roundNumber, round] of this.#rounds) {
      if (nowMs - round.sentAtMs < askAgainAfterMs) continue;
      this.#rounds.delete(roundNumber);
      for (const { shard, waiting } of round.questions.values()) for (const each of waiting) this.add(shard, each);
    }
  }

  #dropFrom(questions: Map<number, Question>, shard: CheckedShard): void {
    const question = questions.get(shard.shard);
    if (question?.shard !== shard) return;
    questions.delete(shard.shard);
    this.#lose(question);
  }

  #lose({ waiting }: Question): void {
    for (const each of waiting) each.lost();
  }

  #ask(): void {
    const questions = this.#next;
    if (questions.size === 0) return;
    this.#next = new Map();
    const roundNumber = ++this.#lastRound;
    this.#rounds.set(roundNumber, { questions, sentAtMs: this.#options.nowMs() });
    const perPeer = new Map<StoreId, ShardEpoch[]>();
    for (const { shard } of questions.values()) {
      for (const peer of shard.peers) {
        let shards = perPeer.get(peer);
        if (!shards) {
          shards = [];
          perPeer.set(peer, shards);
        }
        shards.push({ shard: shard.shard, epoch: shard.epoch });
      }
    }
    for (const [peer, shards] of perPeer)
      this.#options.send(peer, encodeShardMessage({ type: 'readCheck', round: roundNumber, shards }));
  }
}
