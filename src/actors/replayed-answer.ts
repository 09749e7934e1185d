/**
 * Exactly-once effect (P4): before a command with a known id runs, look whether it already did.
 *
 * An id that its caller chose is remembered by the actor. An assigned id is searched in the log, from a position that
 * its caller knew before the first attempt. Either way the recorded reply is answered, nothing is executed, and where
 * it cannot be known any more the answer says so.
 */
import { GreenroomError } from '../core/errors.ts';
import { decodeCommandBody, type StoredRefusal } from '../persistence/codec.ts';
import type { Activation } from './activation.ts';
import { isRemembered } from './command-ids.ts';
import { refusalError } from './dead-letters.ts';
import type { Envelope } from './envelope.ts';
import { HistoryError, readRecord, searchCommand, searchRefusal } from './history.ts';
import { rememberedKeysMax, retrySearchRecordsMax } from './limits.ts';
import type { ShardLog } from './shard-log.ts';

/** Answers the envelope if it is a retry of something recorded, or cannot be known. False: run it. @throws HistoryError */
export function answerFromRecord(activation: Activation, envelope: Envelope): boolean {
  const { delivery, commandId } = envelope;
  if (delivery) return answerDelivery(activation, envelope);
  if (commandId === '') return false;
  const log = activation.log!;
  const remembered = activation.memory.keys.find(commandId);
  if (remembered) {
    if (remembered.fingerprint !== envelope.fingerprint) {
      activation.answer(envelope, undefined, keyReused(envelope));
      return true;
    }
    const [reply, refusal] = remembered.reply ?? readAnswer(log, remembered.position);
    replay(activation, envelope, reply, refusal as StoredRefusal | undefined);
    return true;
  }
  if (envelope.since < 0 || activation.memory.newest <= envelope.since) return false;
  // While none was evicted for their number, every key of the last 15 minutes is remembered: it was not recorded.
  if (isRemembered(commandId) && activation.memory.keys.size < rememberedKeysMax) return false;
  const search = searchCommand(log, activation.memory.newest, commandId, envelope.since, retrySearchRecordsMax);
  switch (search.type) {
    case 'absent':
      return false;
    case 'found':
      replay(activation, envelope, search.body.reply, search.body.refusal);
      return true;
    case 'unknown':
      activation.answer(
        envelope,
        undefined,
        new GreenroomError(
          'OUTCOME_UNKNOWN',
          'the records that would tell whether this command was executed are gone or too far back; look at the state',
        ),
      );
      return true;
  }
}

function answerDelivery(activation: Activation, envelope: Envelope): boolean {
  const { delivery } = envelope;
  const { marks } = activation.memory;
  if (marks.covers(delivery!)) {
    const { log, memory } = activation;
    const refusal = log && marks.mayHaveRefused(delivery!) ? searchRefusal(log, memory.newest, delivery!) : undefined;
    if (refusal) activation.answer(envelope, undefined, refusalError(refusal));
    else replay(activation, envelope, undefined);
    return true;
  }
  const previous = delivery!.previous;
  if (previous > 0 && !marks.covers({ ...delivery!, number: previous })) {
    activation.answer(
      envelope,
      undefined,
      new GreenroomError('UNAVAILABLE', `tell ${previous} of the same sender has not arrived`),
    );
    return true;
  }
  return false;
}

function replay(activation: Activation, envelope: Envelope, reply: unknown, refusal?: StoredRefusal): void {
  envelope.replayed = true;
  envelope.recorded = true;
  activation.host.metrics.replayedAnswers += 1;
  activation.answer(envelope, reply, refusal && refusalError(refusal));
}

function keyReused(envelope: Envelope): GreenroomError {
  return new GreenroomError(
    'KEY_REUSED',
    `the idempotency key '${envelope.commandId}' was used for another command or input; make a new key for a new intent`,
  );
}

function readAnswer(log: ShardLog, position: number): readonly [unknown, StoredRefusal | undefined] {
  const record = readRecord(log, position);
  if (record === 'hollow')
    throw new HistoryError(position, 'the record of a remembered command was deleted without keeping its reply');
  const { reply, refusal } = decodeCommandBody(record.body);
  return [reply, refusal];
}
