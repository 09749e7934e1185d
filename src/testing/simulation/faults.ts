/** What can go wrong in a world, as data: a schedule is a list of these, and the fault driver carries them out. */
import type { MemoryDamage } from '../../persistence/memory-disk.ts';

export type Fault =
  /** Messages from `from` to `to` vanish; with `bothWays` also those back. */
  | {
      readonly type: 'cut';
      readonly from: string;
      readonly to: string;
      readonly bothWays: boolean;
      readonly forMs: number;
    }
  /** Nothing passes between `side` and the rest. */
  | { readonly type: 'partition'; readonly side: readonly string[]; readonly forMs: number }
  /** Connections break; a tail of what was sent is lost. */
  | { readonly type: 'break'; readonly between: readonly [string, string] }
  | {
      readonly type: 'delay';
      readonly from: string;
      readonly to: string;
      readonly byMs: number;
      readonly forMs: number;
    }
  | { readonly type: 'pause'; readonly node: string; readonly forMs: number }
  /** Every event of the node takes `stepMs`. */
  | { readonly type: 'slow'; readonly node: string; readonly stepMs: number; readonly forMs: number }
  | { readonly type: 'crash'; readonly nodes: readonly string[]; readonly downMs: number }
  /** SIGTERM, and a start later. */
  | { readonly type: 'stop'; readonly node: string; readonly downMs: number }
  /** One after the other stops in order and starts again. */
  | { readonly type: 'rollingRestart'; readonly downMs: number }
  | { readonly type: 'clockJump'; readonly node: string; readonly byMs: number }
  | { readonly type: 'slowDisk'; readonly node: string; readonly factor: number; readonly forMs: number }
  | { readonly type: 'fullDisk'; readonly node: string; readonly freeBytes: number; readonly forMs: number }
  | { readonly type: 'syncError'; readonly node: string; readonly isKept: boolean; readonly downMs: number }
  /** The node crashes, and its disk has lost or spoilt something that was synced. */
  | {
      readonly type: 'damage';
      readonly node: string;
      readonly how: 'lostRow' | MemoryDamage;
      /** In so many places; a lost row is one. */
      readonly places: number;
      readonly downMs: number;
    }
  /** The node crashes, and starts again on a new disk. */
  | { readonly type: 'wipe'; readonly node: string; readonly downMs: number }
  /** The node crashes `ageMs` later, and starts again on what its disk held now. */
  | { readonly type: 'oldImage'; readonly node: string; readonly ageMs: number; readonly downMs: number }
  /** A machine that was not there joins. */
  | { readonly type: 'join'; readonly node: string }
  | { readonly type: 'drain'; readonly node: string }
  | { readonly type: 'remove'; readonly node: string };

export type FaultKind = Fault['type'];

export const faultKinds: readonly FaultKind[] = [
  'cut',
  'partition',
  'break',
  'delay',
  'pause',
  'slow',
  'crash',
  'stop',
  'rollingRestart',
  'clockJump',
  'slowDisk',
  'fullDisk',
  'syncError',
  'damage',
  'wipe',
  'oldImage',
  'join',
  'drain',
  'remove',
];

export interface PlannedFault {
  readonly atMs: number;
  readonly fault: Fault;
}

/** One line for the trace. */
export function describeFault(fault: Fault): string {
  const { type, ...details } = fault;
  const parts = Object.entries(details).map(([name, value]) => `${name}=${formatDetail(value)}`);
  return [type, ...parts].join(' ');
}

function formatDetail(value: unknown): string {
  if (typeof value === 'number') return String(Math.round(value * 10) / 10);
  return Array.isArray(value) ? value.join(',') : String(value);
}
