/** `greenroom config`: each setting, its value and where it comes from. */
import type { Command } from 'commander';
import { formatDuration } from '../core/duration.ts';
import { examples } from './help.ts';
import type { Origin } from './layered-settings.ts';
import { settingsOf, withSettings } from './setting-flags.ts';
import { type Setting, settings } from './settings.ts';
import { printTable } from './table.ts';
import { compactJson, type Terminal } from './terminal.ts';

export function addConfigCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('config [actors...]')
    .summary('show every setting and where it comes from')
    .description(
      'Show every setting of a node, its value and where it comes from: a flag, a GREENROOM_* variable, greenroom.config.json, or the default. Takes the flags of start.',
    )
    .option('--json', 'print JSON');
  withSettings(command)
    .addHelpText(
      'after',
      examples([
        ['greenroom config', ''],
        ['GREENROOM_PORT=7500 greenroom config --http-port 0', 'what start would see'],
        ['greenroom config --json | jq .port', ''],
      ]),
    )
    .action((files: string[], _options: object, command: Command) => {
      const { origins, warnings } = settingsOf(command, files, terminal);
      for (const warning of warnings) terminal.note(terminal.error.yellow(`warning: ${warning}`));
      if (command.optsWithGlobals<{ json?: boolean }>().json) {
        const all = settings.map(({ key }) => {
          const { value = null, source } = origins.get(key)!;
          return [key, { value, source }];
        });
        return terminal.print(compactJson(Object.fromEntries(all)));
      }
      const { dim, cyan } = terminal.out;
      printTable(
        terminal,
        [
          { title: 'SETTING', paint: cyan },
          { title: 'VALUE' },
          { title: 'SOURCE', paint: (text) => (text === 'default' ? dim(text) : text) },
        ],
        settings.map((setting) => {
          const origin = origins.get(setting.key)!;
          return [setting.key, valueText(setting, origin), origin.source];
        }),
      );
    });
}

const durations = new Set(['passivateAfter', 'shutdownGrace']);

function valueText(setting: Setting, { value, source }: Origin): string {
  if (source === 'default' && setting.fallbackText !== undefined) return setting.fallbackText;
  if (durations.has(setting.key)) return formatDuration(value as number);
  return Array.isArray(value) ? value.join(', ') : value === false ? 'off' : String(value);
}
