/** Assertions stay on in production: a defect stops the actor or the node instead of spreading. */

/** A broken invariant of Greenroom itself. Never a user's mistake, so it has no public code. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/** Throws {@link AssertionFailure} unless `condition` holds. `what` says what must hold; a function is only called on failure. */
export function assert(condition: unknown, what: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionFailure(typeof what === 'string' ? what : what());
}

/** Closes an exhaustive `switch` over a discriminated union. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`a case was forgotten: ${JSON.stringify(value)}`);
}
