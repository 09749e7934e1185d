/**
 * A shard's committed log as the simulator knows it: added to once per position, by whichever node knows first. Checks
 * what has to hold of every committed log: sequence numbers without gap or repeat (I9), command ids once (I10).
 */
import { assert } from '../../core/assert.ts';
import type { LoggedRecord } from './inspection.ts';

export interface LogFinding {
  readonly invariant: 'I9' | 'I10';
  readonly what: string;
}

export class CommittedLog {
  readonly #chains: number[] = [];
  readonly #sequences = new Map<string, number>();
  /** Where each command id is. */
  readonly #commands = new Map<string, number>();

  get length(): number {
    return this.#chains.length;
  }

  /** The chain at a position that is in it. */
  chainAt(position: number): number {
    return this.#chains[position - 1]!;
  }

  add(record: LoggedRecord): readonly LogFinding[] {
    assert(record.position === this.length + 1, () => `positions come in order, got ${record.position}`);
    this.#chains.push(record.chain);
    const findings: LogFinding[] = [];
    const { actor, commandId, position, firstSequence, lastSequence } = record;
    if (firstSequence > 0) {
      const last = this.#sequences.get(actor) ?? 0;
      if (firstSequence !== last + 1)
        findings.push({ invariant: 'I9', what: `${actor}: sequence number ${firstSequence} follows ${last}` });
      this.#sequences.set(actor, lastSequence);
    }
    if (commandId !== '') {
      const command = `${actor} ${commandId}`;
      const before = this.#commands.get(command);
      if (before !== undefined)
        findings.push({ invariant: 'I10', what: `command ${command} is at positions ${before} and ${position}` });
      this.#commands.set(command, position);
    }
    return findings;
  }
}
