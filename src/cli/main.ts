/** The process behind `greenroom`: its streams, its exit. */
import { runCommandLine } from './program.ts';
import { processTerminal } from './terminal.ts';

/** Runs the command line of this process, to its exit. */
export async function main(): Promise<void> {
  // `greenroom events … | head`: whoever read has enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  process.stderr.on('error', () => {});
  const exitCode = await runCommandLine(process.argv.slice(2), processTerminal());
  process.stdout.write('', () => process.exit(exitCode));
}
