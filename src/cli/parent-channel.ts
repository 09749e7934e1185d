/**
 * What a node that `greenroom dev` started says to its supervisor, over the channel that Node opens between parent
 * and child. The channel also tells the child that its supervisor is gone, however it went: it then stops.
 */

/** Set by the supervisor: stop when the channel closes. */
export const exitWithParentVariable = 'GREENROOM_EXIT_WITH_PARENT';
/** Set by the supervisor: freeze state and messages, so that code that changes them fails at once. */
export const freezeVariable = 'GREENROOM_FREEZE';
/** Set by the supervisor: serve the counters that it calls when it kills nodes (dev-probe.ts). */
export const probeVariable = 'GREENROOM_DEV_PROBE';

/** From the node to its supervisor: the files it was made of, also when loading them failed. */
export interface LoadedMessage {
  readonly type: 'loaded';
  readonly files: readonly string[];
  /** Commands that take no input, by type. */
  readonly withoutInput: Readonly<Record<string, readonly string[]>>;
}

/** Tells the supervisor, if there is one. */
export function tellParent(message: LoadedMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

/** Resolves when the supervisor is gone; never, if there is none. */
export function parentGone(env: Readonly<Record<string, string | undefined>>): Promise<void> {
  if (env[exitWithParentVariable] !== '1' || process.send === undefined) return new Promise(() => {});
  if (!process.connected) return Promise.resolve();
  return new Promise((resolve) => process.once('disconnect', resolve));
}

/** Whether a message from a child is a {@link LoadedMessage}. */
export function isLoadedMessage(message: unknown): message is LoadedMessage {
  return typeof message === 'object' && message !== null && (message as { type?: unknown }).type === 'loaded';
}
