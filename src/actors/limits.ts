/** Every bound of the actor runtime, with what happens beyond it. */

/** Commands waiting for one actor. Beyond: `OVERLOADED`. */
export const mailboxLengthMax = 10_000;
/** Commands waiting on one node. Beyond: `OVERLOADED`. */
export const queuedPerNodeMax = 200_000;
/** Events and tells of one command. Beyond: `COMMAND_FAILED`. */
export const eventsPerCommandMax = 1_000;
/** A reply beside events. Beyond: `COMMAND_FAILED`. */
export const recordedReplyBytesMax = 64 * 1024;
/** The body of one record. Beyond: `COMMAND_FAILED`; a snapshot beyond it is not taken. */
export const recordBytesMax = 16 * 1024 * 1024;
/** A snapshot is due after this many bytes of records, even before `snapshotEvery` records. */
export const snapshotBytes = 64 * 1024;
/** Records since the last snapshot below which an actor leaves memory without taking one. */
export const recordsBeforeSleepMin = 10;
/** Callers' own keys remembered per actor… */
export const rememberedKeysMax = 10_000;
/** …and for how long. */
export const rememberedKeyMs = 15 * 60_000;
/** Records searched for a retried command. Beyond: `OUTCOME_UNKNOWN`. */
export const retrySearchRecordsMax = 10_000;
/** Unacknowledged tells of one actor. Beyond: `OVERLOADED`, and nothing of the command is kept. */
export const outboxLengthMax = 1_000;
/** Senders whose tells one receiver remembers. Beyond: the one heard longest ago is forgotten. */
export const tellMarksMax = 10_000;
/** Records a receiver searches for what it answered to a tell that is delivered again. Beyond: it counts as taken. */
export const refusalSearchRecordsMax = 1_000;
/**
 * Recorded tries of a delivery or tick that no owner got to the end of. Then it is a dead letter. Lower means fewer lost owners;
 * higher, that fewer are taken for the culprit that were only there so many times in a row: in the moment between.
 */
export const attemptsMax = 3;
/** How long one whose attempt is being recorded keeps the next in line from beginning. */
export const attemptLineMs = 1_000;
/** Deliveries are in doubt for so long after an owner's epoch began: their senders have sent them again by then. */
export const attemptsWithinMs = 60_000;
/** Reminders of one actor. Beyond: the command fails with `OVERLOADED`. */
export const remindersMax = 1_000;
/** Length of a reminder's name. */
export const reminderNameLengthMax = 128;
/** The shortest interval of a reminder: each tick is a record. */
export const tickEveryMinMs = 100;
/** A tick that begins later than this was missed, for reminders that skip those. */
export const tickLateMs = 5_000;
/** Tries of a tick whose command fails, before it becomes a dead letter. */
export const tickTriesMax = 5;
/** First pause after a failed try of a tick; doubles each time. */
export const tickPauseMinMs = 1_000;
/** Longest pause after a failed try of a tick. */
export const tickPauseMaxMs = 60_000;
/** Actors being woken at one time on a node, their ticks included; others wait in the index, on disk. */
export const wakesInFlightMax = 1_024;
/** Actors read from the wake index of a shard at once. */
export const wakesPerPage = 256;
/** Shards whose wake index is read at one time. */
export const wakeReadsMax = 4;
/** The clock is looked at this often even if nothing is due before: it may have been set forward. */
export const wakeLookEveryMs = 1_000;
/** Pause before an actor that could not be woken is tried again, at least and at most. */
export const wakePauseMinMs = 1_000;
export const wakePauseMaxMs = 60_000;
/** Timers in memory of one actor. Beyond: the command fails with `OVERLOADED`. */
export const timersMax = 1_000;
/** The longest timer in memory; what is to last longer is a reminder. */
export const timerMaxMs = 24 * 3_600_000;
/** How long an ask waits until what its actor recorded before is committed. Beyond: `UNAVAILABLE`. */
export const askHeldMaxMs = 10_000;
/** Activations being recovered at one time; others wait in line, commands and all. */
export const recoveriesMax = 64;
/** How long turns, recoveries and reads may hold the event loop before I/O gets its turn. */
export const sliceMs = 5;
/** How often deadlines, idle times and memory are looked at. */
export const sweepEveryMs = 100;
/** Actors that leave memory per sweep at most, so that a wave of idleness does not stall the loop. */
export const passivationsPerSweepMax = 5_000;
/** Failed recoveries in a row before an actor is quarantined. */
export const failuresBeforeQuarantine = 6;
/** First pause after a failed recovery; doubles each time, with jitter. */
export const backoffMinMs = 100;
/** Longest pause after a failed recovery. */
export const backoffMaxMs = 10_000;
/** Share of the heap limit above which the least recently used actors leave. */
export const heapPressureRatio = 0.85;
