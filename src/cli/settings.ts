/**
 * The settings of a node and where each value comes from: a flag, else a `GREENROOM_*` variable, else
 * `greenroom.config.json` in the working directory, else the default. One table describes each setting once; flags,
 * variables, the file, `--help` and `greenroom config` are all read from it.
 *
 * Everything wrong is reported at once, each with its key and its source. An unknown key in the file is an error, as
 * a misspelt setting that is silently ignored is found out in production.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { durationMs } from '../core/duration.ts';
import { parseNodeName, shardCountMax } from '../core/ids.ts';
import { wrongUsage } from './exit-codes.ts';
import { didYouMean } from './suggestion.ts';

export const configFileName = 'greenroom.config.json';
/** More copies than this of one log are a mistake. */
export const replicasMax = 9;

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];
export const logFormats = ['pretty', 'json'] as const;
export type LogFormat = (typeof logFormats)[number];

/** A node's settings, resolved. Absent means "the node decides". */
export interface NodeSettings {
  readonly actors: readonly string[];
  readonly node: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly httpHost: string | undefined;
  readonly httpPort: number | false;
  readonly httpAdvertise: string | undefined;
  readonly data: string | undefined;
  readonly replicas: number;
  readonly shards: number;
  readonly passivateAfter: number;
  readonly maxActive: number;
  readonly shutdownGrace: number;
  readonly tokensFile: string | undefined;
  readonly corsOrigin: readonly string[];
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat | undefined;
}

export type SettingKey = keyof NodeSettings;

/** What a parser makes of a raw value: the value, or what is wrong with it ("is not a port: 0 to 65535"). */
type Parsed = { readonly value: unknown } | { readonly wrong: string };

export interface Setting {
  readonly key: SettingKey;
  /** For `--help`; the first positional arguments have none. */
  readonly flag: string | undefined;
  readonly variable: string;
  readonly help: string;
  readonly fallback: unknown;
  /** What the default is, in words, where the value alone does not say. */
  readonly fallbackText?: string;
  /** May be given several times. */
  readonly list?: boolean;
  /** Takes the text of a flag or variable, or a value of the file. */
  readonly parse: (raw: unknown) => Parsed;
}

const text =
  (what: string) =>
  (raw: unknown): Parsed =>
    typeof raw === 'string' && raw !== '' ? { value: raw } : { wrong: `is not ${what}` };

const whole =
  (what: string, least: number, most: number) =>
  (raw: unknown): Parsed => {
    const value = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
    return fits ? { value } : { wrong: `is not ${what}` };
  };

const duration = (raw: unknown): Parsed => {
  const value = durationMs(raw);
  return value === undefined
    ? { wrong: 'is not a duration: a number of milliseconds, or a number with ms, s, m, h or d, such as 30s' }
    : { value };
};

const oneOf =
  (choices: readonly string[]) =>
  (raw: unknown): Parsed => {
    if (typeof raw === 'string' && choices.includes(raw)) return { value: raw };
    const meant = typeof raw === 'string' ? didYouMean(raw, choices) : undefined;
    return { wrong: `is not one of ${choices.join(', ')}${meant === undefined ? '' : `; ${meant}`}` };
  };

const nodeName = (raw: unknown): Parsed => {
  try {
    return { value: parseNodeName(String(raw)) };
  } catch {
    return { wrong: "is not a node name: a letter or digit, then at most 62 letters, digits, '.', '_' or '-'" };
  }
};

const httpUrl = (raw: unknown): Parsed => {
  const url = typeof raw === 'string' && URL.canParse(raw) ? new URL(raw) : undefined;
  return url?.protocol === 'http:' || url?.protocol === 'https:'
    ? { value: (raw as string).replace(/\/+$/, '') }
    : { wrong: 'is not an HTTP address such as https://node-1.example:8400' };
};

const httpPort = (raw: unknown): Parsed =>
  raw === false || raw === 'off' || raw === 'false'
    ? { value: false }
    : whole('a port: 0 to 65535, or off for no HTTP', 0, 65_535)(raw);

const origins = (raw: unknown): Parsed => {
  const list = (Array.isArray(raw) ? raw : [raw]).flatMap((each) =>
    typeof each === 'string' ? each.split(',') : each,
  );
  const bad = list.find((each) => each !== '*' && (!URL.canParse(each) || new URL(each).origin !== trimSlash(each)));
  return bad === undefined
    ? { value: list.map(trimSlash) }
    : { wrong: 'is not an origin such as https://app.example (scheme, host and port, no path), or *' };
};

const files = (raw: unknown): Parsed => {
  const list = typeof raw === 'string' ? raw.split(',').filter((each) => each !== '') : raw;
  return Array.isArray(list) && list.every((each) => typeof each === 'string' && each !== '')
    ? { value: list }
    : { wrong: 'is not a list of files' };
};

function trimSlash(origin: string): string {
  return String(origin).toLowerCase().replace(/\/$/, '');
}

const port = whole('a port: 0 to 65535, where 0 picks a free one', 0, 65_535);

/** Every setting, in the order in which they are shown. */
export const settings: readonly Setting[] = [
  {
    key: 'actors',
    flag: undefined,
    variable: 'GREENROOM_ACTORS',
    help: 'files of actor classes',
    fallback: [],
    fallbackText: '(none)',
    list: true,
    parse: files,
  },
  {
    key: 'node',
    flag: '--node <name>',
    variable: 'GREENROOM_NODE',
    help: "the node's name",
    fallback: undefined,
    fallbackText: 'as kept in the data directory, else node-<port>',
    parse: nodeName,
  },
  {
    key: 'host',
    flag: '--host <address>',
    variable: 'GREENROOM_HOST',
    help: 'where the cluster socket listens',
    fallback: '127.0.0.1',
    parse: text('an address to listen on'),
  },
  {
    key: 'port',
    flag: '--port <port>',
    variable: 'GREENROOM_PORT',
    help: "the cluster socket's port; 0 picks a free one",
    fallback: 7400,
    parse: port,
  },
  {
    key: 'httpHost',
    flag: '--http-host <address>',
    variable: 'GREENROOM_HTTP_HOST',
    help: 'where HTTP listens',
    fallback: undefined,
    fallbackText: 'the same as --host',
    parse: text('an address to listen on'),
  },
  {
    key: 'httpPort',
    flag: '--http-port <port>',
    variable: 'GREENROOM_HTTP_PORT',
    help: "HTTP's port; 0 picks a free one, off serves no HTTP",
    fallback: 8400,
    parse: httpPort,
  },
  {
    key: 'httpAdvertise',
    flag: '--http-advertise <url>',
    variable: 'GREENROOM_HTTP_ADVERTISE',
    help: 'the HTTP address told to others',
    fallback: undefined,
    fallbackText: 'from the HTTP host and port',
    parse: httpUrl,
  },
  {
    key: 'data',
    flag: '--data <directory>',
    variable: 'GREENROOM_DATA',
    help: 'where the node keeps its journal',
    fallback: undefined,
    fallbackText: '.greenroom/<node>',
    parse: text('a directory'),
  },
  {
    key: 'replicas',
    flag: '--replicas <n>',
    variable: 'GREENROOM_REPLICAS',
    help: "copies of each shard's log; fixed at founding; a single node keeps one",
    fallback: 3,
    parse: whole(`a number of copies: 1 to ${replicasMax}`, 1, replicasMax),
  },
  {
    key: 'shards',
    flag: '--shards <n>',
    variable: 'GREENROOM_SHARDS',
    help: 'number of shards; fixed at founding',
    fallback: 256,
    parse: whole(`a number of shards: 1 to ${shardCountMax}`, 1, shardCountMax),
  },
  {
    key: 'passivateAfter',
    flag: '--passivate-after <duration>',
    variable: 'GREENROOM_PASSIVATE_AFTER',
    help: 'idle time after which an actor leaves memory',
    fallback: 120_000,
    fallbackText: '2m',
    parse: duration,
  },
  {
    key: 'maxActive',
    flag: '--max-active <n>',
    variable: 'GREENROOM_MAX_ACTIVE',
    help: 'actors in memory at most; beyond it the least recently used leave',
    fallback: 100_000,
    parse: whole('a number of actors, at least 1', 1, Number.MAX_SAFE_INTEGER),
  },
  {
    key: 'shutdownGrace',
    flag: '--shutdown-grace <duration>',
    variable: 'GREENROOM_SHUTDOWN_GRACE',
    help: 'how long a stop waits for commands in progress',
    fallback: 10_000,
    fallbackText: '10s',
    parse: duration,
  },
  {
    key: 'tokensFile',
    flag: '--tokens-file <file>',
    variable: 'GREENROOM_TOKENS_FILE',
    help: 'a file of bearer tokens that may call, one a line',
    fallback: undefined,
    fallbackText: '(none: everyone may call)',
    parse: text('a file'),
  },
  {
    key: 'corsOrigin',
    flag: '--cors-origin <origin...>',
    variable: 'GREENROOM_CORS_ORIGIN',
    help: 'web pages that may call from browsers',
    fallback: [],
    fallbackText: '(none)',
    list: true,
    parse: origins,
  },
  {
    key: 'logLevel',
    flag: '--log-level <level>',
    variable: 'GREENROOM_LOG_LEVEL',
    help: `least level that is logged: ${logLevels.join(', ')}`,
    fallback: 'info',
    parse: oneOf(logLevels),
  },
  {
    key: 'logFormat',
    flag: '--log-format <format>',
    variable: 'GREENROOM_LOG_FORMAT',
    help: 'pretty or json',
    fallback: undefined,
    fallbackText: 'pretty on a terminal, else json',
    parse: oneOf(logFormats),
  },
];

/** Settings of a cluster of several nodes: known, so that nobody believes they took effect, but refused. */
export const clusterSettings = [
  { key: 'join', flag: '--join <address...>' },
  { key: 'found', flag: '--found' },
  { key: 'advertise', flag: '--advertise <address>' },
  { key: 'zone', flag: '--zone <zone>' },
  { key: 'secretFile', flag: '--secret-file <file>' },
  { key: 'tlsCert', flag: '--tls-cert <file>' },
  { key: 'tlsKey', flag: '--tls-key <file>' },
  { key: 'tlsCa', flag: '--tls-ca <file>' },
] as const;

/** `GREENROOM_*` variables that are no settings of a node. */
const otherVariables = ['GREENROOM_URL', 'GREENROOM_TOKEN', 'GREENROOM_FREEZE', 'GREENROOM_EXIT_WITH_PARENT'];

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
  const wrong = [...refuseClusterSettings(sources), ...unknownFileKeys(sources.file ?? {})];
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

/** `--http-port`, without its argument. */
export function flagName(setting: Pick<Setting, 'flag' | 'key'>): string {
  return setting.flag?.split(' ')[0] ?? 'argument';
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
  const cluster: readonly string[] = clusterSettings.map(({ key }) => key);
  return Object.keys(file)
    .filter((key) => key !== '$schema' && !known.includes(key) && !cluster.includes(key))
    .map((key) => {
      const meant = didYouMean(key.replaceAll(/[-_]/g, ''), known);
      return `${configFileName}: there is no setting '${key}'${meant === undefined ? '; `greenroom config` lists them' : `; ${meant}`}`;
    });
}

function refuseClusterSettings({ flags, env, file }: SettingSources): string[] {
  const sources = clusterSettings.flatMap(({ key, flag }) => {
    if (flags[key] !== undefined) return [flag.split(' ')[0]!];
    if (env[variableOf(key)]) return [variableOf(key)];
    return file?.[key] === undefined ? [] : [`${key} in ${configFileName}`];
  });
  return sources.map(
    (source) => `${source}: not yet; this version runs single nodes, and clusters of several come with a later one`,
  );
}

/** `secretFile` → `GREENROOM_SECRET_FILE`. */
function variableOf(key: string): string {
  return `GREENROOM_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** Variables that look like a misspelt setting. Others are left alone: an environment is shared by many programs. */
function suspectVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = [
    ...settings.map(({ variable }) => variable),
    ...clusterSettings.map(({ key }) => variableOf(key)),
    ...otherVariables,
  ];
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
