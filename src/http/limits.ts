/** Every bound of the HTTP edge, with what happens beyond it. */

/** A request's body. Beyond: 413 `TOO_LARGE`. */
export const bodyBytesMax = 1024 * 1024;
/** Bodies being read or waiting for their answers, and answers that their callers have not taken yet, per node. Beyond: 429 `OVERLOADED`. */
export const bytesInFlightMax = 128 * 1024 * 1024;
/** A request's line and headers. Beyond: 431. */
export const headerBytesMax = 16 * 1024;
/** Open connections per node. Beyond: a new connection is closed at once. */
export const connectionsMax = 10_000;
/** Unanswered requests on one connection (HTTP pipelining). Beyond: the connection is closed. */
export const pipelinedRequestsMax = 1_000;
/** Event streams per node. Beyond: 429 `OVERLOADED`. */
export const eventStreamsMax = 1_000;
/** How long a caller may take to send its headers. Beyond: 408, and the connection is closed. */
export const headersTimeoutMs = 10_000;
/** How long a caller may take to send a whole request. Beyond: 408, and the connection is closed. */
export const requestTimeoutMs = 30_000;
/** How long an idle connection is kept. Longer than the 60 s of common load balancers, so that they close first. */
export const keepAliveMs = 65_000;
/** How long a caller may leave an answer or an event untaken. Beyond: the connection is closed. */
export const stalledCallerMs = 60_000;
/** What is read and thrown away of a refused body, so that its caller sees the refusal before the connection closes… */
export const discardedBytesMax = 32 * 1024 * 1024;
/** …and for how long. */
export const discardMs = 5_000;
/** How long a command is waited for when its caller does not say. */
export const commandTimeoutDefaultMs = 30_000;
/** The longest wait a caller may ask for. Beyond: 400 `BAD_REQUEST`. */
export const commandTimeoutMaxMs = 600_000;
/** A comment on a silent event stream, so that proxies keep it open and a lost caller is noticed. */
export const heartbeatEveryMs = 15_000;
/** A page where the caller does not say. */
export const pageLimitDefault = 100;
/** A page at most. Beyond: 400 `BAD_REQUEST`. */
export const pageLimitMax = 1_000;
/** What 429 and 503 say in Retry-After where the error does not know better. */
export const retryAfterDefaultMs = 1_000;
