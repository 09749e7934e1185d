/** Durations as people write them: a number of milliseconds, or a number with a unit such as `'30s'`. */

export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const pattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** A duration in milliseconds, or undefined if it is not one (negative, infinite, unknown unit). */
export function durationMs(duration: unknown): number | undefined {
  if (typeof duration === 'number') return Number.isFinite(duration) && duration >= 0 ? duration : undefined;
  if (typeof duration !== 'string') return undefined;
  const match = pattern.exec(duration);
  if (match) return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
  return /^\d+$/.test(duration) ? Number(duration) : undefined;
}

/** As a person reads it: `850 ms`, `1.4 s`, `2 m`. */
export function formatDuration(ms: number): string {
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 1_000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 6_000) / 10} m`;
  return `${Math.round(ms / 360_000) / 10} h`;
}
