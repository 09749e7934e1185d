/** Every bound of a client, with what happens beyond it. */

/** Commands that wait for one actor. Beyond: `OVERLOADED`. */
export const queuedPerActorMax = 10_000;
/** Commands that wait, over all actors. Beyond: `OVERLOADED`. */
export const queuedPerClientMax = 100_000;
/** Actors whose positions are remembered; the one used longest ago is forgotten first, and costs its next retry a longer search. */
export const rememberedPositionsMax = 10_000;
/** Attempts of one command that ended without an answer. Beyond: `OUTCOME_UNKNOWN`, as it may be what kills its nodes. */
export const lostAttemptsMax = 2;
/** How long a call waits when it does not say. */
export const timeoutDefaultMs = 30_000;
/** The longest wait a node accepts. Beyond: `BAD_REQUEST`. */
export const timeoutMaxMs = 600_000;
/** How much longer than the node the client waits for the node's own last word. */
export const lastWordMs = 500;
/** The first pause before a retry; doubles each time, with jitter. */
export const backoffMinMs = 25;
/** The longest pause before a retry that the node did not ask for. */
export const backoffMaxMs = 2_000;
/** A stream without even a heartbeat for this long is taken for dead and opened again. Nodes send one every 15 s. */
export const silentStreamMs = 45_000;
/** One event on the wire. Beyond: the stream fails with `TOO_LARGE`. */
export const eventLengthMax = 64 * 1024 * 1024;
