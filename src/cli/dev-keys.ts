/** What a key means to `greenroom dev`. */

export type KeyMeaning =
  /** Kill that node, or start it again. */
  | { readonly type: 'toggle'; readonly index: number }
  | { readonly type: 'restart' }
  | { readonly type: 'help' }
  | { readonly type: 'stop' };

const controlC = '\u0003';
const controlD = '\u0004';

/** @returns undefined for a key without a meaning */
export function keyMeaning(key: string, nodeCount: number): KeyMeaning | undefined {
  if (key === 'q' || key === controlC || key === controlD) return { type: 'stop' };
  if (key === 'r') return { type: 'restart' };
  if (key === 'h' || key === '?') return { type: 'help' };
  const index = /^[1-9]$/.test(key) ? Number(key) - 1 : -1;
  return index >= 0 && index < nodeCount ? { type: 'toggle', index } : undefined;
}

/** The line that explains the keys. */
export function keysLine(nodes: readonly string[]): string {
  const kill =
    nodes.length === 1
      ? `press 1 to kill -9 node ${nodes[0]}, again to start it`
      : `press ${keyList(nodes.length)} to kill -9 that node, again to start it`;
  return `${kill}; r restarts, h shows this again, q or Ctrl-C stops`;
}

/** `1, 2 or 3` */
function keyList(count: number): string {
  const keys = Array.from({ length: count }, (_, i) => String(i + 1));
  return `${keys.slice(0, -1).join(', ')} or ${keys.at(-1)}`;
}
