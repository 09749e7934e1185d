/** `greenroom start`: one node in this process. */
import type { Command } from 'commander';
import { examples } from './help.ts';
import { settingsOf, withSettings } from './setting-flags.ts';
import type { Terminal } from './terminal.ts';

/** @param ends takes the exit code once the node has stopped */
export function addStartCommand(program: Command, terminal: Terminal, ends: (exitCode: number) => void): void {
  withSettings(program.command('start [actors...]'))
    .summary('run one node')
    .description(
      'Run one node that serves the actor classes of the given files (.ts, .mts, .js, .mjs, .cjs). Prints one line on standard output when it can serve; logs go to standard error.',
    )
    .option(
      '--accept-loss',
      'go on with what verifies of a damaged data directory that no other node has copies of; the damaged one is kept beside it',
    )
    .addHelpText(
      'after',
      `${examples([
        ['greenroom start actors.ts', ''],
        ['greenroom start actors.ts --data /var/lib/greenroom --log-format json', ''],
        ['greenroom start actors.ts --host 0.0.0.0 --tokens-file tokens', 'reachable from elsewhere'],
        ['greenroom start actors.ts --port 0 --http-port 0', 'on free ports; the ready line names them'],
      ])}\n\nEvery flag is also a variable (--http-port is GREENROOM_HTTP_PORT) and a key of greenroom.config.json (httpPort).\n\`greenroom config\` shows what holds and why.`,
    )
    .action(async (files: string[], { acceptLoss = false }: { acceptLoss?: boolean }, command: Command) => {
      const settings = settingsOf(command, files, terminal);
      // Loaded here, so that other commands start without the whole node.
      const { runNode } = await import('./run-node.ts');
      ends(await runNode(settings, terminal, acceptLoss));
    });
}
