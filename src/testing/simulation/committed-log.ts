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

/** What is remembered of a record. */
interface Noted {
  readonly epoch: number;
  readonly chain: number;
  readonly actor: string;
  readonly firstSequence: number;
  readonly command: string;
}

export class CommittedLog {
  readonly #records: Noted[] = [];
  readonly #sequences = new Map<string, number>();
  /** Where each command id is. */
  readonly #commands = new Map<string, number>();

  get length(): number {
    return this.#records.length;
  }

  /** The chain at a position that is in it. */
  chainAt(position: number): number {
    return this.#records[position - 1]!.chain;
  }

  add(record: LoggedRecord): readonly LogFinding[] {
    assert(record.position === this.length + 1, () => `positions come in order, got ${record.position}`);
    const { epoch, chain, actor, position, firstSequence, lastSequence } = record;
    const command = commandOf(record);
    this.#records.push({ epoch, chain, actor, firstSequence, command });
    const findings: LogFinding[] = [];
    if (firstSequence > 0) {
      const last = this.#sequences.get(actor) ?? 0;
      if (firstSequence !== last + 1)
        findings.push({ invariant: 'I9', what: `${actor}: sequence number ${firstSequence} follows ${last}` });
      this.#sequences.set(actor, lastSequence);
    }
    if (command !== '') {
      const before = this.#commands.get(command);
      if (before !== undefined)
        findings.push({ invariant: 'I10', what: `command ${command} is at positions ${before} and ${position}` });
      this.#commands.set(command, position);
    }
    return findings;
  }

  /** What follows this position is gone, as after an accepted loss. @returns each command of it, with its epoch */
  cutOff(position: number): ReadonlySet<string> {
    const gone = new Set<string>();
    for (const { epoch, actor, firstSequence, command } of this.#records.splice(position).reverse()) {
      if (firstSequence > 0) this.#sequences.set(actor, firstSequence - 1);
      if (command === '') continue;
      this.#commands.delete(command);
      gone.add(`${command} in epoch ${epoch}`);
    }
    return gone;
  }
}

/** The command that made the record; empty if none did. */
export function commandOf({ actor, commandId }: LoggedRecord): string {
  return commandId === '' ? '' : `${actor} ${commandId}`;
}
