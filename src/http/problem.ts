/**
 * Errors as `application/problem+json` (RFC 9457): one shape for every refusal, so that a caller in any language
 * reads `code` and `retryable` and nothing else.
 */
import { type ErrorCode, errorCodes, GreenroomError, type Issue, Rejection } from '../core/errors.ts';

/** The body of every answer that is not a success. */
export interface Problem {
  /** `urn:greenroom:` and the code in lower case with dashes. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  /** May be sent again with this idempotency key. */
  readonly retryable: boolean;
  /** What the actor said, for `REJECTED`. */
  readonly rejection?: { readonly code: string; readonly details?: unknown };
  /** What the input schema found, for `INVALID_INPUT`. */
  readonly issues?: readonly Issue[];
  readonly idempotencyKey?: string;
}

const typeOf = new Map<ErrorCode, string>(
  (Object.keys(errorCodes) as ErrorCode[]).map((code) => [
    code,
    `urn:greenroom:${code.toLowerCase().replaceAll('_', '-')}`,
  ]),
);

/** @param idempotencyKey the command's, if the request was one */
export function problemOf(error: GreenroomError | Rejection, idempotencyKey?: string): Problem {
  const code = error instanceof Rejection ? 'REJECTED' : error.code;
  const { status, retryable, title } = errorCodes[code];
  const problem = { type: typeOf.get(code)!, title, status, detail: error.message, code, retryable };
  if (error instanceof Rejection) {
    const rejection = error.details === undefined ? { code: error.code } : { code: error.code, details: error.details };
    return idempotencyKey === undefined ? { ...problem, rejection } : { ...problem, rejection, idempotencyKey };
  }
  const key = error.idempotencyKey ?? idempotencyKey;
  return {
    ...problem,
    ...(error.issues === undefined ? {} : { issues: error.issues }),
    ...(key === undefined ? {} : { idempotencyKey: key }),
  };
}

/**
 * What a caller hears of a defect of Greenroom itself: never its stack, and never "not executed" where that is not
 * known.
 */
export function problemOfDefect(mayHaveActed: boolean): GreenroomError {
  return mayHaveActed
    ? new GreenroomError('OUTCOME_UNKNOWN', 'an internal error; the node’s log says more')
    : new GreenroomError('UNAVAILABLE', 'an internal error; the node’s log says more');
}

/** At most 60 characters of what a caller sent, for a message. */
export function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
