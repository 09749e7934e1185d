/** What a host counts. */

/** Counts since the host was made. */
export interface HostMetrics {
  commands: number;
  rejections: number;
  failures: number;
  replayedAnswers: number;
  recordsCommitted: number;
  snapshots: number;
  activations: number;
  eventsReplayed: number;
  passivations: number;
  overloads: number;
  tellsDelivered: number;
  tellsRefused: number;
  /** Tells and reminders given up for good. */
  deadLetters: number;
  /** Reminders that fired. */
  ticks: number;
  /** Tries of deliveries and ticks that were recorded before they ran (attempts.ts). */
  attempts: number;
  /** Wake latency, cumulative: see `wakeBucketsMs`. */
  readonly wakeCounts: number[];
  wakeMsSum: number;
}

/** Upper bounds of the wake histogram. */
export const wakeBucketsMs = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1_000] as const;

export function newHostMetrics(): HostMetrics {
  return {
    commands: 0,
    rejections: 0,
    failures: 0,
    replayedAnswers: 0,
    recordsCommitted: 0,
    snapshots: 0,
    activations: 0,
    eventsReplayed: 0,
    passivations: 0,
    overloads: 0,
    tellsDelivered: 0,
    tellsRefused: 0,
    deadLetters: 0,
    ticks: 0,
    attempts: 0,
    wakeCounts: wakeBucketsMs.map(() => 0),
    wakeMsSum: 0,
  };
}

/** Counts one waking. */
export function countWake(metrics: HostMetrics, tookMs: number, eventsReplayed: number): void {
  metrics.activations += 1;
  metrics.eventsReplayed += eventsReplayed;
  metrics.wakeMsSum += tookMs;
  for (let i = 0; i < wakeBucketsMs.length; i++) {
    if (tookMs <= wakeBucketsMs[i]!) metrics.wakeCounts[i]! += 1;
  }
}
