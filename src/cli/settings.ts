/**
 * The settings of a node, each described once: its key in `greenroom.config.json`, its flag, its variable, its default,
 * what it means and which values it takes. Flags, variables, the file, `--help` and `greenroom config` are all read from
 * this table. How the sources are layered is in `layered-settings.ts`.
 */
import { durationMs } from '../core/duration.ts';
import { parseNodeName, shardCountMax } from '../core/ids.ts';
import { didYouMean } from './suggestion.ts';

export const configFileName = 'greenroom.config.json';
/** More copies than this of one log are a mistake. */
export const replicasMax = 7;

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
  readonly advertise: string | undefined;
  readonly httpHost: string | undefined;
  readonly httpPort: number | false;
  readonly httpAdvertise: string | undefined;
  readonly zone: string | undefined;
  readonly data: string | undefined;
  readonly join: readonly string[];
  readonly found: boolean;
  readonly replicas: number;
  readonly shards: number;
  readonly passivateAfter: number;
  readonly maxActive: number;
  readonly shutdownGrace: number;
  readonly secretFile: string | undefined;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsCa: string | undefined;
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

/** `host:port`, with IPv6 addresses in brackets. */
const clusterAddress = /^(?:[^\s:/@[\]]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/;

function isClusterAddress(text: unknown): boolean {
  const port = typeof text === 'string' ? clusterAddress.exec(text)?.[1] : undefined;
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535;
}

const address = (raw: unknown): Parsed =>
  isClusterAddress(raw) ? { value: raw } : { wrong: 'is not an address such as node-1.example:7400 (host and port)' };

const addresses = (raw: unknown): Parsed => {
  const list = (Array.isArray(raw) ? raw : [raw]).flatMap((each) =>
    typeof each === 'string' ? each.split(',').filter((part) => part !== '') : [each],
  );
  const bad = list.find((each) => !isClusterAddress(each));
  if (bad === undefined && list.length > 0) return { value: list };
  const files = /\.[cm]?[jt]s$/.test(String(bad)) ? '; name actor files before it' : '';
  return {
    wrong: `has ${JSON.stringify(bad) ?? 'nothing'}, no address such as node-1.example:7400 (host and port)${files}`,
  };
};

const yesOrNo = (raw: unknown): Parsed => {
  if (raw === true || raw === 'true' || raw === '1') return { value: true };
  if (raw === false || raw === 'false' || raw === '0') return { value: false };
  return { wrong: 'is neither true nor false' };
};

const zoneName = (raw: unknown): Parsed =>
  typeof raw === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(raw)
    ? { value: raw }
    : { wrong: "is not a zone: a letter or digit, then at most 62 letters, digits, '.', '_' or '-'" };

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
    key: 'advertise',
    flag: '--advertise <address>',
    variable: 'GREENROOM_ADVERTISE',
    help: 'host:port of the cluster socket as told to other nodes',
    fallback: undefined,
    fallbackText: 'from --host and --port',
    parse: address,
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
    key: 'zone',
    flag: '--zone <zone>',
    variable: 'GREENROOM_ZONE',
    help: 'what fails together with this node: copies of a shard go to different zones',
    fallback: undefined,
    fallbackText: '(none)',
    parse: zoneName,
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
    key: 'join',
    flag: '--join <address...>',
    variable: 'GREENROOM_JOIN',
    help: 'host:port of members to join, while the data directory is empty; may name this node itself',
    fallback: [],
    fallbackText: '(none)',
    list: true,
    parse: addresses,
  },
  {
    key: 'found',
    flag: '--found',
    variable: 'GREENROOM_FOUND',
    help: 'found a new cluster beyond loopback, once, while the data directory is empty',
    fallback: false,
    fallbackText: 'false',
    parse: yesOrNo,
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
    key: 'secretFile',
    flag: '--secret-file <file>',
    variable: 'GREENROOM_SECRET_FILE',
    help: 'a file with the secret that nodes of one cluster share',
    fallback: undefined,
    fallbackText: '(none)',
    parse: text('a file'),
  },
  {
    key: 'tlsCert',
    flag: '--tls-cert <file>',
    variable: 'GREENROOM_TLS_CERT',
    help: "the node's certificate and what it is signed with, in PEM: HTTP becomes HTTPS, and with --tls-ca the links between nodes have TLS",
    fallback: undefined,
    fallbackText: '(none: no TLS)',
    parse: text('a file'),
  },
  {
    key: 'tlsKey',
    flag: '--tls-key <file>',
    variable: 'GREENROOM_TLS_KEY',
    help: "the certificate's private key, in PEM",
    fallback: undefined,
    fallbackText: '(none)',
    parse: text('a file'),
  },
  {
    key: 'tlsCa',
    flag: '--tls-ca <file>',
    variable: 'GREENROOM_TLS_CA',
    help: 'who signs the certificates of all nodes, in PEM: links between nodes have TLS, and both sides show theirs',
    fallback: undefined,
    fallbackText: '(none: links between nodes without TLS)',
    parse: text('a file'),
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

/** `--http-port`, without its argument. */
export function flagName(setting: Pick<Setting, 'flag' | 'key'>): string {
  return setting.flag?.split(' ')[0] ?? 'argument';
}
