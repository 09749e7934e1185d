/**
 * Plain JSON data: the only thing that may enter an event, a state, an input or a reply, on every path, so that
 * what a caller on the same node sees is what a caller elsewhere, a replay and a snapshot see.
 */

/** How deep data may nest: bounds the recursion of everything that walks it. */
export const plainDepthMax = 100;

/** A value that is not plain data: where, and what to use instead. */
export interface NotPlain {
  /** E.g. `.items[2].at`; empty for the value itself. */
  readonly path: string;
  /** E.g. `is a Date; use a number`. */
  readonly problem: string;
}

/**
 * Finds the first part of `value` that is not plain JSON data. A property that is `undefined` is allowed (it equals
 * an absent one); `undefined` itself is allowed only at the top.
 *
 * @param known data already known to be plain: parts that are identical (`===`) at the same path are not walked
 *   again, so that checking a state costs what a command changed and not what the state holds.
 */
export function findNotPlain(value: unknown, known?: unknown): NotPlain | undefined {
  if (value === undefined) return undefined;
  return walk(value, known, 0);
}

function walk(value: unknown, known: unknown, depth: number): NotPlain | undefined {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? undefined : wrong('has a lone surrogate; use well-formed text');
    case 'number':
      return Number.isFinite(value) ? undefined : wrong(`is ${value}; JSON has no such number`);
    case 'boolean':
      return undefined;
    case 'undefined':
      return wrong('is undefined; use null or leave it out');
    case 'bigint':
      return wrong('is a bigint; use a string');
    case 'symbol':
      return wrong('is a symbol; use a string');
    case 'function':
      return wrong('is a function; only data can be kept');
    default:
      break;
  }
  if (value === null || value === known) return undefined;
  if (depth >= plainDepthMax) return wrong(`nests deeper than ${plainDepthMax} (or contains itself)`);
  if (Array.isArray(value)) {
    const other = Array.isArray(known) ? known : undefined;
    for (let i = 0; i < value.length; i++) {
      const found = walk(value[i], other?.[i], depth + 1);
      if (found) return { path: `[${i}]${found.path}`, problem: found.problem };
    }
    return undefined;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return wrong(describeExotic(value as object));
  const other = typeof known === 'object' && known !== null ? (known as Record<string, unknown>) : undefined;
  for (const key in value as Record<string, unknown>) {
    const part = (value as Record<string, unknown>)[key];
    if (part === undefined) continue;
    if (key === '__proto__')
      return { path: '.__proto__', problem: 'is a name that objects cannot carry safely; use another' };
    const found = walk(part, other?.[key], depth + 1);
    if (found) return { path: `${formatKey(key)}${found.path}`, problem: found.problem };
    if (!key.isWellFormed()) return wrong('has a key with a lone surrogate; use well-formed text');
  }
  return undefined;
}

function wrong(problem: string): NotPlain {
  return { path: '', problem };
}

function describeExotic(value: object): string {
  if (value instanceof Date) return 'is a Date; use a number';
  if (value instanceof Map) return 'is a Map; use a record';
  if (value instanceof Set) return 'is a Set; use an array';
  if (value instanceof Error) return 'is an Error; use its message';
  if (value instanceof Promise) return 'is a Promise; await it first';
  if (ArrayBuffer.isView(value)) return 'is binary; use a base64 string';
  return `is a ${value.constructor?.name || 'class instance'}; use a plain object`;
}

function formatKey(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/**
 * The same data as a replay will see it: without `undefined` properties, and with 0 for −0, which has no form of its
 * own in JSON. The very same object where nothing changes.
 */
export function withoutUndefined<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return (value === 0 ? 0 : value) as T;
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    for (let i = 0; i < value.length; i++) {
      const part = withoutUndefined(value[i]);
      if (Object.is(part, value[i])) continue;
      copy ??= value.slice();
      copy[i] = part;
    }
    return (copy ?? value) as T;
  }
  let copy: Record<string, unknown> | undefined;
  for (const key in value as Record<string, unknown>) {
    const part = (value as Record<string, unknown>)[key];
    const clean = withoutUndefined(part);
    if (Object.is(clean, part) && part !== undefined) continue;
    copy ??= { ...(value as Record<string, unknown>) };
    if (clean === undefined) delete copy[key];
    else copy[key] = clean;
  }
  return (copy ?? value) as T;
}

/** Freezes data and all its parts; stops at parts that are frozen already. For development and tests. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const key in value) deepFreeze(value[key]);
  return value;
}

/** JSON text with sorted keys: equal for equal data. */
export function canonicalJson(value: unknown): string {
  if (value === undefined) return '';
  return JSON.stringify(value, (_key, part) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : part,
  );
}
