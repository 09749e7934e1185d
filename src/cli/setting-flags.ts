/** The settings as flags of commander, and flags back from settings: from the one table in `settings.ts`. */
import { type Command, Option } from 'commander';
import { type ResolvedSettings, readConfigFile, resolveSettings } from './layered-settings.ts';
import { settings } from './settings.ts';
import type { Terminal } from './terminal.ts';

/** Adds a flag for each setting of a node. */
export function withSettings(command: Command, without: ReadonlySet<string> = new Set()): Command {
  for (const { key, flag, help, fallback, fallbackText } of settings) {
    if (flag === undefined || without.has(key)) continue;
    command.addOption(new Option(flag, `${help} (default: ${fallbackText ?? fallback})`));
  }
  return command;
}

/** A command's settings from its flags, the environment and the file. @throws CommandLineError exit code 2 */
export function settingsOf(command: Command, files: readonly string[], terminal: Terminal): ResolvedSettings {
  return resolveSettings({
    flags: { ...command.opts(), actors: files },
    env: terminal.env,
    file: readConfigFile(terminal.cwd),
  });
}
