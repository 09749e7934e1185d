/** The data directory of a stopped node, for the commands that look into one. */
import { resolve } from 'node:path';
import { JournalError } from '../persistence/journal.ts';
import { type OpenedCopy, openCopy } from '../persistence/open-copy.ts';
import { CommandLineError, exitCodes } from './exit-codes.ts';

/** Opens a copy: the data stays as it is. @throws CommandLineError */
export async function openStoredData(directory: string, cwd: string): Promise<OpenedCopy> {
  try {
    return await openCopy(resolve(cwd, directory));
  } catch (error) {
    throw storedDataError(error);
  }
}

/** A journal's error in the words and the exit codes of the command line: 2 for the wrong directory, else 1. */
export function storedDataError(error: unknown): unknown {
  if (!(error instanceof JournalError)) return error;
  const isWrongPlace = error.code === 'STORE_UNREACHABLE' || error.code === 'STORE_FOREIGN';
  return new CommandLineError(isWrongPlace ? exitCodes.usage : exitCodes.refused, error.message, { cause: error });
}
