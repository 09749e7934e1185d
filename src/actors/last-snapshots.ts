/**
 * Snapshots of actors whose owner stops in order: whoever owns them next wakes each with two reads, and not by replaying
 * what came together since the last snapshot. After a restart all actors that are in use wake at about the same time,
 * so it is then that it counts.
 *
 * An actor gets one under the rule of passivation (recording.ts). Nothing depends on it: it ends with the grace.
 */
import type { ActorHost } from './actor-host.ts';
import { appendSnapshot, isSnapshotDueBeforeSleep } from './recording.ts';

/** Actors looked at between two looks at the clock. */
const actorsPerSlice = 256;

/** Yields after each slice; whoever drives it decides whether to go on. Only on a host that is quiet. */
export function* lastSnapshots(host: ActorHost): Generator<void> {
  let seen = 0;
  for (const { name } of host.definitions) {
    for (const activation of host.home(name).activations.values()) {
      if (activation.isIdle && activation.log && isSnapshotDueBeforeSleep(activation)) appendSnapshot(activation);
      seen += 1;
      if (seen % actorsPerSlice === 0) yield;
    }
  }
}
