/**
 * The data directory of `greenroom dev`: made by it, marked as such, and emptied by `--fresh` only if it bears the
 * mark. Nothing that this command did not make is ever deleted by it.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandLineError, exitCodes, wrongUsage } from './exit-codes.ts';

/** Bears the pid of the supervisor that uses the directory. */
export const markName = 'made-by-greenroom-dev';

/**
 * Makes the directory if it is not there, and empties it if asked to.
 *
 * @throws CommandLineError exit code 2 if it holds something that `greenroom dev` did not make; 1 if another one uses it
 */
export function prepareDevData(directory: string, fresh: boolean): void {
  const mark = join(directory, markName);
  const isMarked = existsSync(mark);
  const isEmpty = !existsSync(directory) || readdirSync(directory).length === 0;
  if (!isMarked && !isEmpty) {
    throw wrongUsage(
      `${directory} holds something that \`greenroom dev\` did not make, so it is left alone`,
      'give --data another directory, or none for .greenroom/dev',
    );
  }
  const user = isMarked ? Number(readFileSync(mark, 'utf8')) : 0;
  if (user !== process.pid && isRunning(user)) {
    throw new CommandLineError(exitCodes.refused, `another \`greenroom dev\` (pid ${user}) uses ${directory}`, {
      hint: 'stop that one, or give this one --data and other ports',
    });
  }
  if (fresh && isMarked) {
    const made = readdirSync(directory).filter((name) => name !== markName);
    for (const name of made) rmSync(join(directory, name), { recursive: true, force: true });
  }
  mkdirSync(directory, { recursive: true });
  writeFileSync(mark, `${process.pid}\n`);
}

/** Takes the supervisor's pid off the mark. */
export function leaveDevData(directory: string): void {
  if (existsSync(join(directory, markName))) writeFileSync(join(directory, markName), '');
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
