/**
 * Delivers what lies in outboxes: as ordinary commands that carry their sender's mark, again after a pause where the
 * receiver could not take them, until it has recorded them or refused them for good.
 */
import { GreenroomError, type Rejection } from '../core/errors.ts';
import type { OutgoingTell } from '../persistence/codec.ts';
import type { Activation } from './activation.ts';
import type { ActorHost } from './actor-host.ts';
import { deadLetterType } from './dead-letters.ts';
import type { Caller, DeliveryMark } from './envelope.ts';
import { backoffMaxMs, backoffMinMs } from './limits.ts';
import type { Delivery } from './outbox.ts';

/** The record of these tells is committed; they are in the outbox. */
export function sendTells(host: ActorHost, sender: Activation, tells: readonly OutgoingTell[]): void {
  for (const delivery of sender.outbox?.committed(tells) ?? []) sendTell(host, sender, delivery);
}

function sendTell(host: ActorHost, sender: Activation, delivery: Delivery): void {
  const { tell, previous } = delivery;
  const caller: Caller = {
    replied: () => {
      host.metrics.tellsDelivered += 1;
      tellDone(host, sender, tell);
    },
    failed: (error) => {
      if (!(error instanceof GreenroomError) || !error.retryable) tellRefused(host, sender, tell, error);
      else pauseTells(host, sender, delivery);
    },
  };
  const mark: DeliveryMark = { senderType: sender.definition.name, senderId: sender.id, number: tell.number, previous };
  host.deliverTell(tell, mark, caller);
}

/** It will never be taken: it becomes a dead letter, in the sender's next record between two turns. */
function tellRefused(host: ActorHost, sender: Activation, tell: OutgoingTell, error: GreenroomError | Rejection): void {
  if (tell.type === deadLetterType) {
    sender.diagnostics.error('a dead letter was refused', { command: tell.command, reason: error.message });
    tellDone(host, sender, tell);
    return;
  }
  if (sender.phase === 'failed' || sender.phase === 'gone') return;
  sender.refusedTells ??= [];
  sender.refusedTells.push({ tell, error });
  host.schedule(sender);
}

function tellDone(host: ActorHost, sender: Activation, tell: OutgoingTell): void {
  sender.outbox?.acknowledge(tell);
  if (sender.outbox?.length !== 0) return;
  sender.outbox = undefined;
  if (sender.isIdle) host.schedule(sender);
}

function pauseTells(host: ActorHost, sender: Activation, delivery: Delivery): void {
  const failures = sender.outbox?.fail(delivery);
  if (failures === undefined) return;
  const pauseMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** (failures - 1)) * (0.5 + host.random.next() / 2);
  host.clock.schedule(pauseMs, () => {
    for (const again of sender.outbox?.resume(delivery.tell) ?? []) sendTell(host, sender, again);
  });
}
