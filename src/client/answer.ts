/** What came back from a node, or from something between: read strictly, trusted little. */
import { type ErrorCode, errorCodes, GreenroomError, type Issue, Rejection } from '../core/errors.ts';

/** An error answer, and whether the request it answers may have been executed. */
export interface Refusal {
  readonly error: GreenroomError | Rejection;
  readonly mayHaveBeenExecuted: boolean;
}

interface ProblemBody {
  readonly code?: unknown;
  readonly detail?: unknown;
  readonly rejection?: { readonly code?: unknown; readonly details?: unknown };
  readonly issues?: readonly Issue[];
  readonly idempotencyKey?: unknown;
}

const codes: ReadonlySet<string> = new Set(Object.keys(errorCodes));
/** For answers without a problem body: from a proxy, or of something that is no node. */
const codeOfStatus: ReadonlyMap<number, ErrorCode> = new Map([
  [401, 'UNAUTHENTICATED'],
  [403, 'FORBIDDEN'],
  [404, 'NOT_FOUND'],
  [405, 'METHOD_NOT_ALLOWED'],
  [413, 'TOO_LARGE'],
  [415, 'UNSUPPORTED_MEDIA_TYPE'],
  [429, 'OVERLOADED'],
]);

/** @throws whatever reading the body throws */
export async function readRefusal(response: Response): Promise<Refusal> {
  const text = await response.text();
  const retryAfterMs = retryAfter(response.headers);
  const problem = response.headers.get('content-type')?.startsWith('application/problem+json')
    ? parseProblem(text)
    : undefined;
  if (problem) {
    const error = errorOf(problem, retryAfterMs);
    return { error, mayHaveBeenExecuted: error instanceof GreenroomError && error.code === 'OUTCOME_UNKNOWN' };
  }
  const message = `HTTP ${response.status} ${response.statusText}`.trimEnd();
  // Only a node may promise that its 503 was not executed; a proxy's says nothing about what is behind it.
  const code = codeOfStatus.get(response.status) ?? (response.status >= 500 ? 'UNAVAILABLE' : 'BAD_REQUEST');
  return {
    error: new GreenroomError(code, message, retryAfterMs === undefined ? {} : { retryAfterMs }),
    mayHaveBeenExecuted: response.status >= 500,
  };
}

/** A problem body as the error it stands for; undefined if it is none. */
export function parseProblem(text: string): ProblemBody | undefined {
  try {
    const body = JSON.parse(text) as ProblemBody | null;
    return typeof body?.code === 'string' && codes.has(body.code) ? body : undefined;
  } catch {
    return undefined;
  }
}

export function errorOf(problem: ProblemBody, retryAfterMs?: number): GreenroomError | Rejection {
  const message = typeof problem.detail === 'string' ? problem.detail : String(problem.code);
  if (problem.code === 'REJECTED') {
    return new Rejection(String(problem.rejection?.code ?? 'REJECTED'), message, problem.rejection?.details);
  }
  return new GreenroomError(problem.code as ErrorCode, message, {
    ...(problem.issues === undefined ? {} : { issues: problem.issues }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(typeof problem.idempotencyKey === 'string' ? { idempotencyKey: problem.idempotencyKey } : {}),
  });
}

function retryAfter(headers: Headers): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}

/** Failures of a connection that was never made: nothing can have been executed. */
const neverConnected: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  // Nothing is sent before the node has proved who it is.
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_SSL_WRONG_VERSION_NUMBER',
]);

/** Whether a request that failed without an answer may have reached a node. In a browser nobody can tell. */
export function mayHaveReachedNode(error: unknown): boolean {
  const cause = (error as { cause?: { code?: unknown; errors?: readonly { code?: unknown }[] } } | undefined)?.cause;
  if (cause?.errors && cause.errors.length > 0) return !cause.errors.every((each) => neverConnected.has(each.code));
  return !neverConnected.has(cause?.code);
}
