/**
 * How a run of the command line ends. The exit code is for scripts: it says whether trying again can help. The
 * message is for people: what happened, why, and what to do about it.
 */
import { type ErrorCode, errorCodes } from '../core/errors.ts';

/** Every exit code, with what it promises. */
export const exitCodes = {
  /** It was done. */
  done: 0,
  /** Refused or failed; the same again will be, too. */
  refused: 1,
  /** Not understood; nothing was tried. */
  usage: 2,
  /** Not now; nothing was executed. Try again. */
  unavailable: 3,
  /** It is not known whether it was executed. */
  outcomeUnknown: 4,
  /** A second SIGINT while stopping. */
  interrupted: 130,
  /** A second SIGTERM while stopping. */
  terminated: 143,
} as const;

/** The body of an answer that is not a success (RFC 9457), as `--json` prints it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly retryable: boolean;
  readonly rejection?: { readonly code: string; readonly details?: unknown };
  readonly issues?: readonly { readonly path: string; readonly message: string }[];
  readonly idempotencyKey?: string;
}

export interface CommandLineErrorOptions {
  /** What to do about it; a line of its own. */
  readonly hint?: string | undefined;
  /** What the node answered, if it was a node. */
  readonly problem?: Problem | undefined;
  readonly cause?: unknown;
}

/** Ends a run with a message on standard error, or with its problem object on standard output under `--json`. */
export class CommandLineError extends Error {
  override readonly name = 'CommandLineError';
  readonly exitCode: number;
  readonly hint: string | undefined;
  readonly problem: Problem;

  constructor(exitCode: number, message: string, options: CommandLineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = exitCode;
    this.hint = options.hint;
    this.problem = options.problem ?? localProblem(exitCode, message);
  }
}

/** The same, for what was not understood: exit code 2. */
export function wrongUsage(message: string, hint?: string): CommandLineError {
  return new CommandLineError(exitCodes.usage, message, { hint });
}

/** The exit code that belongs to a node's answer. */
export function exitCodeOf(code: string): number {
  if (code === 'OUTCOME_UNKNOWN') return exitCodes.outcomeUnknown;
  return Object.hasOwn(errorCodes, code) && errorCodes[code as ErrorCode].retryable
    ? exitCodes.unavailable
    : exitCodes.refused;
}

/** A problem that arose before, or instead of, a node's answer. */
function localProblem(exitCode: number, detail: string): Problem {
  const code = localCodes.get(exitCode) ?? 'COMMAND_FAILED';
  const { title, status, retryable } = errorCodes[code];
  return { type: `urn:greenroom:${code.toLowerCase().replaceAll('_', '-')}`, title, status, detail, code, retryable };
}

const localCodes = new Map<number, ErrorCode>([
  [exitCodes.usage, 'BAD_REQUEST'],
  [exitCodes.unavailable, 'UNAVAILABLE'],
  [exitCodes.outcomeUnknown, 'OUTCOME_UNKNOWN'],
]);
