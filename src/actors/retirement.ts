/**
 * Which records of an actor may become hollow: everything before a deletion; for durable state everything before the
 * last snapshot but one; with a `retention` those of them that are old enough. Two snapshots always stay, with the
 * records between them, so that a damaged newest one costs nothing.
 */
import type { Position } from '../core/ids.ts';
import type { Activation } from './activation.ts';
import { HistoryError, readRecord } from './history.ts';

/** Records looked at in one go. */
const recordsPerStep = 256;

interface Retirable {
  readonly positions: readonly Position[];
  /** Where to go on; 0 if that was all. */
  readonly next: Position;
}

/** Records up to this time may go, given the snapshot or deletion that covers them. */
function retirableUntil(activation: Activation, isDeletion: boolean, nowMs: number): number {
  const { retentionMs } = activation.definition.memory!;
  return isDeletion || retentionMs === undefined ? Number.POSITIVE_INFINITY : nowMs - retentionMs;
}

/** The next records to make hollow, walking back from `from` until one is hollow already. */
function retirable(activation: Activation, from: Position, untilTime: number): Retirable {
  const positions: Position[] = [];
  let position: Position | undefined = from;
  for (let looked = 0; position !== undefined && position > 0; looked++) {
    if (looked >= recordsPerStep) return { positions, next: position };
    const record = readRecord(activation.log!, position);
    if (record === 'hollow') break;
    if (record.head.time <= untilTime) positions.push(position);
    position = record.head.previous[0];
  }
  return { positions, next: 0 };
}

/** Deletes the bodies of an actor's records from `from` back, as far as its class keeps none of them. */
export function retireHistory(activation: Activation, from: Position, isDeletion: boolean): void {
  const log = activation.log!;
  const { clock } = activation.host;
  const untilTime = retirableUntil(activation, isDeletion, clock.wallMs());
  const step = (at: Position) => {
    if (activation.host.isClosed) return;
    try {
      const { positions, next } = retirable(activation, at, untilTime);
      const goOn = () => {
        if (next > 0) clock.defer(() => step(next));
      };
      if (positions.length === 0) goOn();
      else log.hollow(positions, { durable: goOn, failed: () => {} });
    } catch (error) {
      if (!(error instanceof HistoryError)) throw error;
      activation.diagnostics.warn('old records could not be deleted', { error });
    }
  };
  if (from > 0) clock.defer(() => step(from));
}
