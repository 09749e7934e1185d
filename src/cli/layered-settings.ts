/**
 * Where a node's settings come from: a flag, else a `GREENROOM_*` variable, else `greenroom.config.json` in the working
 * directory, else the default.
 *
 * Everything wrong is reported at once, each with its key and its source. An unknown key in the file is an error, as
 * a misspelt setting that is silently ignored is found out in production.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { wrongUsage } from './exit-codes.ts';
import { configFileName, flagName, type NodeSettings, type Setting, type SettingKey, settings } from './settings.ts';
import { didYouMean } from './suggestion.ts';

/** `GREENROOM_*` variables that are no settings of a node. */
const otherVariables = [
  'GREENROOM_URL',
  'GREENROOM_TOKEN',
  'GREENROOM_CA',
  'GREENROOM_FREEZE',
  'GREENROOM_EXIT_WITH_PARENT',
  'GREENROOM_DEV_PROBE',
];

/** Where a value comes from: a flag, a variable, the file's name, or `default`. */
export interface Origin {
  readonly value: unknown;
  readonly source: string;
}

export interface ResolvedSettings {
  readonly values: NodeSettings;
  readonly origins: ReadonlyMap<SettingKey, Origin>;
  /** Things that are probably mistakes, but no errors. */
  readonly warnings: readonly string[];
}

export interface SettingSources {
  /** By key, as the command line gave them; absent or undefined means not given. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What `greenroom.config.json` holds; undefined if there is none. */
  readonly file: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Layers the sources.
 *
 * @throws CommandLineError exit code 2, with a line for everything that is wrong
 */
export function resolveSettings(sources: SettingSources): ResolvedSettings {
  const wrong = unknownFileKeys(sources.file ?? {});
  const origins = new Map<SettingKey, Origin>();
  for (const setting of settings) {
    const { raw, source } = pick(setting, sources);
    const parsed = raw === undefined ? { value: setting.fallback } : setting.parse(raw);
    if ('wrong' in parsed) wrong.push(`${describe(setting, source)}: ${show(raw)} ${parsed.wrong}${linkHint(raw)}`);
    else origins.set(setting.key, { value: parsed.value, source });
  }
  if (wrong.length > 0) throw wrongUsage(wrong.join('\n'));
  const values = Object.fromEntries([...origins].map(([key, { value }]) => [key, value])) as unknown as NodeSettings;
  return { values, origins, warnings: suspectVariables(sources.env) };
}

/**
 * Reads `greenroom.config.json`; undefined if there is none.
 *
 * @throws CommandLineError exit code 2 if it is not a JSON object
 */
export function readConfigFile(directory: string): Record<string, unknown> | undefined {
  const path = join(directory, configFileName);
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw wrongUsage(`${path} cannot be read: ${(error as Error).message}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(content.replace(/^\ufeff/, ''));
  } catch (error) {
    throw wrongUsage(`${path} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrongUsage(`${path} must hold an object of settings, such as { "httpPort": 8400 }`);
  }
  return value as Record<string, unknown>;
}

function pick(setting: Setting, { flags, env, file }: SettingSources): { raw: unknown; source: string } {
  const flag = flags[setting.key];
  const given = Array.isArray(flag) && setting.list === true ? flag.length > 0 : flag !== undefined;
  if (given) return { raw: flag, source: flagName(setting) };
  const variable = env[setting.variable];
  if (variable !== undefined && variable !== '') return { raw: variable, source: setting.variable };
  const value = file !== undefined && Object.hasOwn(file, setting.key) ? file[setting.key] : undefined;
  if (value !== undefined && value !== null) return { raw: value, source: configFileName };
  return { raw: undefined, source: 'default' };
}

function describe(setting: Setting, source: string): string {
  return source === configFileName ? `${setting.key} in ${configFileName}` : source;
}

function show(raw: unknown): string {
  return typeof raw === 'string' ? `'${raw}'` : (JSON.stringify(raw) ?? String(raw));
}

/** Kubernetes sets `GREENROOM_PORT=tcp://…` in every pod beside a service named greenroom. */
function linkHint(raw: unknown): string {
  return typeof raw === 'string' && raw.startsWith('tcp://')
    ? ' (Kubernetes sets this for a service of that name: give the pod "enableServiceLinks: false")'
    : '';
}

function unknownFileKeys(file: Readonly<Record<string, unknown>>): string[] {
  const known = settings.map(({ key }) => key as string);
  return Object.keys(file)
    .filter((key) => key !== '$schema' && !known.includes(key))
    .map((key) => {
      const meant = didYouMean(key.replaceAll(/[-_]/g, ''), known);
      return `${configFileName}: there is no setting '${key}'${meant === undefined ? '; `greenroom config` lists them' : `; ${meant}`}`;
    });
}

/** Variables that look like a misspelt setting. Others are left alone: an environment is shared by many programs. */
function suspectVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = [...settings.map(({ variable }) => variable), ...otherVariables];
  return Object.keys(env)
    .filter((name) => name.startsWith('GREENROOM_') && !known.includes(name))
    .flatMap((name) => {
      const meant = didYouMean(
        name.slice('GREENROOM_'.length),
        known.map((each) => each.slice('GREENROOM_'.length)),
      );
      return meant === undefined
        ? []
        : [`the variable ${name} is not known; ${meant.replace('did you mean ', 'did you mean GREENROOM_')}`];
    });
}
