/** What can be wrong with a store. Apart from the journal's contract, so that a program in a browser can name it. */

/** Why a store cannot be opened or used. `message` says what happened, why, and what to do. */
export type JournalErrorCode =
  /** Another process has it open. */
  | 'STORE_LOCKED'
  /** The directory is not there, is no directory, or may not be read or written. */
  | 'STORE_UNREACHABLE'
  /** The directory holds something else. */
  | 'STORE_FOREIGN'
  /** Written by a newer version, in a format this one does not know. */
  | 'STORE_NEWER_FORMAT'
  /** It belongs to another cluster or node, or was founded with other settings. */
  | 'STORE_MISMATCH'
  /** Synced data is missing or does not verify. */
  | 'STORE_DAMAGED'
  /** An old copy of the store: its peers have seen more of it than it holds. */
  | 'STORE_OUTDATED'
  /** A write or fsync failed. */
  | 'STORE_FAILED';

export class JournalError extends Error {
  override readonly name = 'JournalError';
  readonly code: JournalErrorCode;

  constructor(code: JournalErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
