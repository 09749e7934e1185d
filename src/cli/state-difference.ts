/** What changed between two states: one entry per leaf that was added, removed or changed, in the order of the data. */

export interface Change {
  /** A JSON pointer (RFC 6901); empty for the state itself. */
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly before?: unknown;
  readonly after?: unknown;
}

/**
 * Compares plain data. An object or array that appears or vanishes is one change, and not one for each part of it.
 *
 * @param before undefined if there was no state
 */
export function difference(before: unknown, after: unknown): Change[] {
  return compare('', before, after);
}

function compare(path: string, before: unknown, after: unknown): Change[] {
  if (before === undefined) return after === undefined ? [] : [{ path, change: 'added', after }];
  if (after === undefined) return [{ path, change: 'removed', before }];
  if (isBranch(before) && isBranch(after) && Array.isArray(before) === Array.isArray(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) =>
      compare(`${path}/${escapePointer(key)}`, ownValue(before, key), ownValue(after, key)),
    );
  }
  return before === after || (isBranch(before) && JSON.stringify(before) === JSON.stringify(after))
    ? []
    : [{ path, change: 'changed', before, after }];
}

function isBranch(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** A key named `__proto__` or `constructor` is data like any other. */
function ownValue(branch: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(branch, key) ? branch[key] : undefined;
}

function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** `/items/milk` as people write it: `items.milk`; a key that is no plain word is quoted. */
export function readablePath(pointer: string): string {
  if (pointer === '') return 'the state';
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part, i) => {
      if (/^\d+$/.test(part)) return `[${part}]`;
      const word = /^[\w$-]+$/.test(part) ? part : JSON.stringify(part);
      return i === 0 ? word : `.${word}`;
    })
    .join('');
}
