/**
 * The one error class of the public edge. Callers compare `code`; the most important bit after it is `retryable`:
 * whether the same command, with the same idempotency key, may be sent again.
 *
 * Expected outcomes inside the core are unions, not exceptions; a defect is an `AssertionFailure`.
 */

interface CodeFacts {
  /** HTTP status. */
  readonly status: number;
  /** May be sent again with this idempotency key, and may then succeed. */
  readonly retryable: boolean;
  /** A short title for people. */
  readonly title: string;
}

/** Every documented code, with what it means. 429 and 503 promise "this request was not executed"; only 504 leaves it open. */
export const errorCodes = {
  BAD_REQUEST: { status: 400, retryable: false, title: 'The request is malformed' },
  INVALID_INPUT: { status: 400, retryable: false, title: 'The input does not fit the command' },
  UNAUTHENTICATED: { status: 401, retryable: false, title: 'Who you are could not be established' },
  FORBIDDEN: { status: 403, retryable: false, title: 'You may not do this' },
  UNKNOWN_ACTOR_TYPE: { status: 404, retryable: false, title: 'No such actor type' },
  UNKNOWN_COMMAND: { status: 404, retryable: false, title: 'No such command' },
  UNKNOWN_ACTOR: { status: 404, retryable: false, title: 'This actor has no events' },
  NOT_FOUND: { status: 404, retryable: false, title: 'Nothing is here' },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false, title: 'This method is not for this address' },
  REJECTED: { status: 409, retryable: false, title: 'The actor said no' },
  TOO_LARGE: { status: 413, retryable: false, title: 'The request is too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, retryable: false, title: 'The body must be application/json' },
  KEY_REUSED: { status: 422, retryable: false, title: 'This idempotency key belongs to another command' },
  OVERLOADED: { status: 429, retryable: true, title: 'Too much at once; not executed' },
  COMMAND_FAILED: { status: 500, retryable: false, title: 'The command failed; nothing of it was kept' },
  UNAVAILABLE: { status: 503, retryable: true, title: 'Not available now; not executed' },
  QUARANTINED: { status: 503, retryable: true, title: 'This actor cannot recover; not executed' },
  OUTCOME_UNKNOWN: { status: 504, retryable: true, title: 'It is not known whether the command was executed' },
  ASK_CYCLE: { status: 508, retryable: false, title: 'Actors wait for each other' },
  ASK_AFTER_PERSIST: { status: 500, retryable: false, title: 'A command asked after it had recorded something' },
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof errorCodes;

export interface Issue {
  /** Where in the input, e.g. `items.0.quantity`; empty for the input itself. */
  readonly path: string;
  readonly message: string;
}

export interface GreenroomErrorOptions {
  readonly cause?: unknown;
  /** What an input schema found. */
  readonly issues?: readonly Issue[];
  /** When to try again, for `OVERLOADED`, `UNAVAILABLE` and `QUARANTINED`. */
  readonly retryAfterMs?: number;
  readonly idempotencyKey?: string;
  readonly reroute?: Reroute;
}

/**
 * The actor's shard moved while the command waited (`refused`: it was not executed) or while its record was on the way
 * (`uncertain`). Whoever routed the command sends it to the new owner, with the same id; callers never see it.
 */
export type Reroute = 'refused' | 'uncertain';

/** What a call answers when it does not answer with a reply or a {@link Rejection}. */
export class GreenroomError extends Error {
  override readonly name = 'GreenroomError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly issues: readonly Issue[] | undefined;
  readonly retryAfterMs: number | undefined;
  /** The command's id: send it again to learn the outcome without a second effect. */
  idempotencyKey: string | undefined;
  /** @internal */
  readonly reroute: Reroute | undefined;

  constructor(code: ErrorCode, message: string, options: GreenroomErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = errorCodes[code].retryable;
    this.issues = options.issues;
    this.retryAfterMs = options.retryAfterMs;
    this.idempotencyKey = options.idempotencyKey;
    this.reroute = options.reroute;
  }

  /** The HTTP status that belongs to the code. */
  get status(): number {
    return errorCodes[this.code].status;
  }
}

/**
 * A domain "no": throw it in a command. Nothing is persisted, and the caller gets this code, message and details.
 *
 * @param code the application's own code, e.g. `CART_CHECKED_OUT`
 * @param details plain JSON data
 */
export class Rejection extends Error {
  override readonly name = 'Rejection';
  readonly code: string;
  readonly details: unknown;
  /** The command's id, set for its caller. */
  idempotencyKey: string | undefined;

  constructor(code: string, message: string, details?: unknown) {
    super(message);
    this.code = code;
    this.details = details;
  }
}
