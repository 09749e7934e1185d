/**
 * A tiny input schema by hand, to show what Greenroom asks of one: the Standard Schema interface
 * (https://standardschema.dev). Any library that speaks it can stand here instead (zod, valibot, arktype):
 *
 *     static readonly accepts: Accepts<ShoppingCart> = { addItem: z.object({ sku: z.string(), quantity: z.number().int().positive() }) };
 */
import type { StandardSchema } from 'greenroom';

/** A check of one value: what is wrong with it in words, or undefined if it is fine. */
export type Check<T> = ((value: unknown) => string | undefined) & { readonly checks?: T };

/** A text that is not empty. */
export const text: Check<string> = (value) =>
  typeof value === 'string' && value.length > 0 ? undefined : 'must be a text that is not empty';

/**
 * A text that will be a key of an object in the state. Every JavaScript object answers to `constructor` and its like, so
 * `items[sku] ?? 0` would not be 0 for those: refuse them at the door.
 */
export const key: Check<string> = (value) =>
  text(value) ?? (String(value) in Object.prototype ? 'must not be a name that every object has' : undefined);

/** A whole number above zero: a count, or an amount of money in cents. */
export const positive: Check<number> = (value) =>
  Number.isSafeInteger(value) && Number(value) > 0 ? undefined : 'must be a whole number above zero';

/** A schema of one value. */
export function value<T>(check: Check<T>): StandardSchema<T> {
  return schema((input) => {
    const message = check(input);
    return message === undefined ? { value: input } : { issues: [{ message, path: [] }] };
  });
}

/** A schema of an object: what is not named here is dropped, so it never gets into an event. */
export function object<T extends object>(fields: { readonly [K in keyof T]-?: Check<T[K]> }): StandardSchema<T> {
  return schema((input) => {
    if (typeof input !== 'object' || input === null) return { issues: [{ message: 'must be an object', path: [] }] };
    const clean: Record<string, unknown> = {};
    const issues = [];
    for (const [name, check] of Object.entries<Check<unknown>>(fields)) {
      clean[name] = (input as Record<string, unknown>)[name];
      const message = check(clean[name]);
      if (message !== undefined) issues.push({ message, path: [name] });
    }
    return issues.length > 0 ? { issues } : { value: clean };
  });
}

function schema<T>(validate: (input: unknown) => object): StandardSchema<T> {
  return { '~standard': { version: 1, vendor: 'examples', validate } };
}
