/**
 * What goes wrong when: a schedule drawn from the seed. Each world enables a random part of the kinds of faults, each
 * with a rate of its own, so that every combination is met sooner or later and no kind drowns the others.
 *
 * Pure: no world is needed to make or to read one.
 */
import { unreachable } from '../../core/assert.ts';
import type { Random } from '../../core/random.ts';
import type { Fault, FaultKind, PlannedFault } from './faults.ts';
import { between, chance, pick, pickSome, spread } from './random-choices.ts';

export interface ScheduleOptions {
  /** Machines that are members from the start. */
  readonly nodes: readonly string[];
  /** Machines that may join. */
  readonly spares: readonly string[];
  /** What the cluster is meant to survive. */
  readonly survives: ReadonlySet<FaultKind>;
  /** Nothing new goes wrong before this: the cluster forms. */
  readonly startMs: number;
  /** Nothing new goes wrong after this. */
  readonly endMs: number;
}

export interface FaultSchedule {
  /** The kinds that this world was given. */
  readonly enabled: readonly FaultKind[];
  /** By time. */
  readonly faults: readonly PlannedFault[];
}

/** Kinds that change members or destroy copies: few of them are plenty. */
const grave: ReadonlySet<FaultKind> = new Set([
  'rollingRestart',
  'damage',
  'wipe',
  'oldImage',
  'join',
  'drain',
  'remove',
]);
/** Faults of a grave kind in one schedule at most. */
const graveMax = 4;

export function randomSchedule(random: Random, options: ScheduleOptions): FaultSchedule {
  const share = 0.2 + 0.6 * random.next();
  // In a storm one fault follows the other while the last still lasts: what happens between them is where mistakes hide.
  const isStorm = chance(random, 0.4);
  const enabled = [...options.survives].filter((kind) => chance(random, share) && isPossible(kind, options));
  const faults: PlannedFault[] = [];
  for (const kind of enabled) {
    const everyMs = grave.has(kind)
      ? spread(random, 60_000, 600_000)
      : isStorm
        ? spread(random, 500, 10_000)
        : spread(random, 4_000, 120_000);
    let count = 0;
    for (let atMs = options.startMs; ; count++) {
      atMs += -Math.log(1 - random.next()) * everyMs;
      if (atMs >= options.endMs || (grave.has(kind) && count >= graveMax)) break;
      faults.push({ atMs, fault: randomFault(kind, random, options) });
    }
  }
  return { enabled, faults: faults.sort((a, b) => a.atMs - b.atMs) };
}

/** A schedule of faults that somebody chose. */
export function scheduleOf(faults: readonly PlannedFault[]): FaultSchedule {
  return { enabled: [...new Set(faults.map(({ fault }) => fault.type))], faults };
}

function isPossible(kind: FaultKind, { nodes, spares }: ScheduleOptions): boolean {
  switch (kind) {
    case 'cut':
    case 'partition':
    case 'break':
    case 'delay':
      return nodes.length > 1;
    case 'join':
      return spares.length > 0;
    default:
      return true;
  }
}

/** How long something lasts: mostly around what time-outs are about, sometimes far longer. */
function lasting(random: Random): number {
  return chance(random, 0.1) ? spread(random, 30_000, 120_000) : spread(random, 20, 20_000);
}

function randomFault(kind: FaultKind, random: Random, { nodes, spares, survives }: ScheduleOptions): Fault {
  const all = survives.has('join') ? [...nodes, ...spares] : nodes;
  const node = pick(random, all);
  const downMs = spread(random, 10, 30_000);
  switch (kind) {
    case 'cut': {
      const [from, to] = pickSome(random, all, 2) as [string, string];
      return { type: kind, from, to, bothWays: chance(random, 0.4), forMs: lasting(random) };
    }
    case 'partition':
      return {
        type: kind,
        side: pickSome(random, nodes, between(random, 1, nodes.length - 1)),
        forMs: lasting(random),
      };
    case 'break':
      return { type: kind, between: pickSome(random, all, 2) as [string, string] };
    case 'delay': {
      const [from, to] = pickSome(random, all, 2) as [string, string];
      return { type: kind, from, to, byMs: spread(random, 1, 10_000), forMs: lasting(random) };
    }
    case 'pause':
      return { type: kind, node, forMs: lasting(random) };
    case 'slow':
      return { type: kind, node, stepMs: spread(random, 0.1, 20), forMs: lasting(random) };
    case 'crash': {
      const count = chance(random, 0.7) ? 1 : chance(random, 0.5) ? nodes.length : between(random, 1, nodes.length);
      return { type: kind, nodes: count === 1 ? [node] : pickSome(random, nodes, count), downMs };
    }
    case 'stop':
      return { type: kind, node, downMs };
    case 'rollingRestart':
      return { type: kind, downMs: spread(random, 10, 5_000) };
    case 'clockJump':
      return { type: kind, node, byMs: (chance(random, 0.5) ? 1 : -1) * spread(random, 10, 840_000) };
    case 'slowDisk':
      return { type: kind, node, factor: spread(random, 3, 300), forMs: lasting(random) };
    case 'fullDisk':
      return { type: kind, node, freeBytes: pick(random, [0, 2_000, 33_554_432]), forMs: lasting(random) };
    case 'syncError':
      return { type: kind, node, isKept: chance(random, 0.5), downMs };
    case 'damage':
      return {
        type: kind,
        node,
        how: pick(random, ['lostRow', 'missing', 'head', 'body'] as const),
        places: between(random, 1, 20),
        downMs,
      };
    case 'wipe':
      return { type: kind, node, downMs };
    case 'oldImage':
      return { type: kind, node, ageMs: spread(random, 6_000, 60_000), downMs };
    case 'join':
      return { type: kind, node: pick(random, spares) };
    case 'drain':
    case 'remove':
      return { type: kind, node };
    default:
      return unreachable(kind);
  }
}
