import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CommandLineError } from '../../src/cli/exit-codes.ts';
import { readConfigFile, resolveSettings, type SettingSources } from '../../src/cli/layered-settings.ts';
import { settings } from '../../src/cli/settings.ts';
import { temporaryDirectory } from './temporary.ts';
import { run } from './text-terminal.ts';

const resolve = (sources: Partial<SettingSources>) =>
  resolveSettings({ flags: {}, env: {}, file: undefined, ...sources });

function refusal(sources: Partial<SettingSources>): CommandLineError {
  try {
    resolve(sources);
  } catch (error) {
    if (error instanceof CommandLineError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('a setting comes from', () => {
  test('its flag, else its variable, else the file, else the default', () => {
    const flags = { port: '1' };
    const env = { GREENROOM_PORT: '2' };
    const file = { port: 3 };
    const portOf = (sources: Partial<SettingSources>) => resolve(sources).origins.get('port');
    expect(portOf({ flags, env, file })).toEqual({ value: 1, source: '--port' });
    expect(portOf({ env, file })).toEqual({ value: 2, source: 'GREENROOM_PORT' });
    expect(portOf({ file })).toEqual({ value: 3, source: 'greenroom.config.json' });
    expect(portOf({})).toEqual({ value: 7400, source: 'default' });
  });

  test('the next source if a variable is empty', () => {
    expect(resolve({ env: { GREENROOM_PORT: '' }, file: { port: 3 } }).values.port).toBe(3);
  });

  test('the arguments for actor files, else the file', () => {
    expect(resolve({ flags: { actors: ['a.ts'] }, file: { actors: ['b.ts'] } }).values.actors).toEqual(['a.ts']);
    expect(resolve({ flags: { actors: [] }, file: { actors: ['b.ts'] } }).values.actors).toEqual(['b.ts']);
  });
});

describe('values', () => {
  test('are parsed alike from flags, variables and the file', () => {
    expect(resolve({ env: { GREENROOM_PASSIVATE_AFTER: '90s' } }).values.passivateAfter).toBe(90_000);
    expect(resolve({ file: { passivateAfter: '90s' } }).values.passivateAfter).toBe(90_000);
    expect(resolve({ file: { passivateAfter: 500 } }).values.passivateAfter).toBe(500);
    expect(resolve({ flags: { httpPort: 'off' } }).values.httpPort).toBe(false);
    expect(resolve({ file: { httpPort: false } }).values.httpPort).toBe(false);
    expect(
      resolve({ env: { GREENROOM_CORS_ORIGIN: 'https://a.example,http://b.example:81/' } }).values.corsOrigin,
    ).toEqual(['https://a.example', 'http://b.example:81']);
  });

  test('of a cluster have their types', () => {
    const { values } = resolve({
      env: { GREENROOM_JOIN: 'a:7400,[::1]:7401', GREENROOM_FOUND: 'true' },
      file: { zone: 'eu-1', advertise: 'node-1.example:7400' },
    });
    expect(values.join).toEqual(['a:7400', '[::1]:7401']);
    expect(values.found).toBe(true);
    expect(values.zone).toBe('eu-1');
    expect(values.advertise).toBe('node-1.example:7400');
    expect(resolve({}).values.found).toBe(false);
  });

  test.each([
    [{ flags: { port: '99999' } }, "--port: '99999' is not a port"],
    [{ flags: { port: '-1' } }, "--port: '-1' is not a port"],
    [{ env: { GREENROOM_SHARDS: '0' } }, "GREENROOM_SHARDS: '0' is not a number of shards: 1 to 4096"],
    [{ file: { maxActive: 1.5 } }, 'maxActive in greenroom.config.json: 1.5 is not a number of actors'],
    [{ file: { host: 7 } }, 'host in greenroom.config.json: 7 is not an address'],
    [{ flags: { passivateAfter: '2 minutes' } }, "--passivate-after: '2 minutes' is not a duration"],
    [{ flags: { logLevel: 'wran' } }, 'did you mean warn?'],
    [{ flags: { node: 'a b' } }, "--node: 'a b' is not a node name"],
    [{ flags: { corsOrigin: ['https://a.example/path'] } }, 'is not an origin'],
    [{ flags: { httpAdvertise: 'node-1:8400' } }, 'is not an HTTP address'],
    [{ flags: { join: ['b:7400', 'actors.ts'] } }, 'has "actors.ts", no address such as'],
    [{ env: { GREENROOM_JOIN: 'b' } }, 'GREENROOM_JOIN: \'b\' has "b", no address'],
    [{ flags: { advertise: 'http://a:7400' } }, "--advertise: 'http://a:7400' is not an address"],
    [{ env: { GREENROOM_FOUND: 'maybe' } }, "GREENROOM_FOUND: 'maybe' is neither true nor false"],
    [{ file: { zone: 'eu 1' } }, "zone in greenroom.config.json: 'eu 1' is not a zone"],
    [{ env: { GREENROOM_PORT: 'tcp://10.0.0.1:7400' } }, 'enableServiceLinks'],
  ])('that are wrong are refused by key and source: %j', (sources, message) => {
    const error = refusal(sources);
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain(message);
  });

  test('that are wrong are all reported at once', () => {
    const { message } = refusal({ flags: { port: 'x' }, env: { GREENROOM_SHARDS: 'y' }, file: { prot: 1 } });
    expect(message.split('\n')).toHaveLength(3);
  });
});

describe('keys', () => {
  test('of the file that are unknown are refused with a suggestion', () => {
    expect(refusal({ file: { htpPort: 1 } }).message).toBe(
      "greenroom.config.json: there is no setting 'htpPort'; did you mean httpPort?",
    );
    expect(refusal({ file: { 'http-port': 1 } }).message).toContain('did you mean httpPort?');
    expect(refusal({ file: { colour: 1 } }).message).toContain('`greenroom config` lists them');
  });

  test('of the environment that look misspelt are warned of, and others left alone', () => {
    const { warnings } = resolve({ env: { GREENROOM_HTTPPORT: '1', GREENROOM_SOMETHING_ELSE: '1' } });
    expect(warnings).toEqual(['the variable GREENROOM_HTTPPORT is not known; did you mean GREENROOM_HTTP_PORT?']);
  });
});

describe('greenroom.config.json', () => {
  const directoryWith = (content: string) => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'greenroom.config.json'), content);
    return directory;
  };

  test('need not be there', () => {
    expect(readConfigFile(temporaryDirectory())).toBeUndefined();
  });

  test.each(['{', '[]', '3', 'null'])('must hold an object: %s', (content) => {
    expect(() => readConfigFile(directoryWith(content))).toThrow(/is not JSON|must hold an object/);
  });

  test('shows in `greenroom config`, with where every value comes from', async () => {
    const cwd = directoryWith('{ "httpPort": 9000, "passivateAfter": "30s" }');
    const { exitCode, out } = await run(['config', '--port', '0'], { cwd, env: { GREENROOM_NODE: 'x' } });
    expect(exitCode).toBe(0);
    expect(out.split('\n')).toEqual(
      expect.arrayContaining([
        'httpPort\t9000\tgreenroom.config.json',
        'passivateAfter\t30.0 s\tgreenroom.config.json',
        'port\t0\t--port',
        'node\tx\tGREENROOM_NODE',
        'shards\t256\tdefault',
      ]),
    );
    const json = JSON.parse((await run(['config', '--json'], { cwd })).out);
    expect(Object.keys(json)).toEqual(settings.map(({ key }) => key));
    expect(json.httpPort).toEqual({ value: 9000, source: 'greenroom.config.json' });
  });

  test('with an unknown key ends `greenroom config` with exit code 2', async () => {
    const { exitCode, error } = await run(['config'], { cwd: directoryWith('{ "colour": 1 }') });
    expect(exitCode).toBe(2);
    expect(error).toContain("no setting 'colour'");
  });
});

test('every setting has one flag, one variable and one key of the same name', () => {
  for (const { key, flag, variable } of settings) {
    const words = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (flag !== undefined) expect(flag.split(' ')[0]).toBe(`--${words}`);
    expect(variable).toBe(`GREENROOM_${words.replaceAll('-', '_').toUpperCase()}`);
  }
});
