/** The data directory of a stopped node, for the commands that look into one. */
import { resolve } from 'node:path';
import { JournalError } from '../persistence/journal.ts';
import { LevelJournal } from '../persistence/level-journal.ts';
import { CommandLineError, exitCodes } from './exit-codes.ts';

/** @throws CommandLineError */
export async function openStoredData(directory: string, cwd: string): Promise<LevelJournal> {
  const journal = new LevelJournal({ directory: resolve(cwd, directory) });
  try {
    await journal.open();
  } catch (error) {
    throw storedDataError(error);
  }
  return journal;
}

/** A journal's error in the words and the exit codes of the command line: 2 for the wrong directory, else 1. */
export function storedDataError(error: unknown): unknown {
  if (!(error instanceof JournalError)) return error;
  const isWrongPlace = error.code === 'STORE_UNREACHABLE' || error.code === 'STORE_FOREIGN';
  return new CommandLineError(isWrongPlace ? exitCodes.usage : exitCodes.refused, error.message, { cause: error });
}
