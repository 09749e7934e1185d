/** What is read from the files of `--tls-cert`, `--tls-key`, `--tls-ca` and `--secret-file`, and what is refused. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readCredentials } from '../../src/cli/credential-files.ts';
import type { CommandLineError } from '../../src/cli/exit-codes.ts';
import { temporaryDirectory } from './temporary.ts';

const fixtures = fileURLToPath(new URL('../fixtures/tls/', import.meta.url));
const nothing = { tlsCert: undefined, tlsKey: undefined, tlsCa: undefined, secretFile: undefined };
const pair = { tlsCert: 'node.pem', tlsKey: 'node.key' };
const nowMs = Date.parse('2030-01-01T00:00:00Z');

function read(settings: Partial<Record<keyof typeof nothing, string>>, directory = fixtures, at = nowMs) {
  return readCredentials({ ...nothing, ...settings }, directory, at);
}

function refusal(settings: Partial<Record<keyof typeof nothing, string>>, directory = fixtures): CommandLineError {
  try {
    read(settings, directory);
  } catch (error) {
    return error as CommandLineError;
  }
  throw new Error('it was not refused');
}

/** A directory with one file in it. */
function withFile(name: string, content: string | Buffer, mode = 0o600): string {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, name), content);
  chmodSync(join(directory, name), mode);
  return directory;
}

describe('TLS', () => {
  test('files become options; without any there are none', () => {
    expect(read({})).toEqual({ tls: undefined, secret: undefined, warnings: [] });
    const { tls } = read({ ...pair, tlsCa: 'ca.pem' });
    expect(tls).toEqual({
      cert: readFileSync(`${fixtures}node.pem`, 'utf8'),
      key: readFileSync(`${fixtures}node.key`, 'utf8'),
      ca: readFileSync(`${fixtures}ca.pem`, 'utf8'),
    });
  });

  test.each([
    [{ tlsCert: 'node.pem' }, '--tls-cert needs its private key'],
    [{ tlsKey: 'node.key' }, '--tls-key is of no use without --tls-cert'],
    [{ tlsCa: 'ca.pem' }, '--tls-ca is of no use without --tls-cert'],
    [{ ...pair, tlsCert: 'missing.pem' }, '--tls-cert cannot be read: ENOENT'],
    [{ ...pair, tlsKey: '.' }, '--tls-key cannot be read: EISDIR'],
    [{ ...pair, tlsCert: 'node.key' }, 'holds no certificate: it holds a private key'],
    [{ ...pair, tlsCert: 'README.md' }, 'holds no certificate: it is not PEM'],
    [{ ...pair, tlsKey: 'node.pem' }, 'holds no private key'],
    [{ ...pair, tlsKey: 'other.key' }, 'is not the one of the certificate'],
    [{ ...pair, tlsCa: 'node.key' }, '--tls-ca:'],
  ])('is refused: %j', (settings, message) => {
    const error = refusal(settings);
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain(message);
  });

  test('is refused if the certificate is cut off or the key encrypted', () => {
    const cert = readFileSync(`${fixtures}node.pem`, 'utf8');
    const cut = withFile('cut.pem', cert.slice(0, cert.length / 2));
    expect(refusal({ tlsCert: join(cut, 'cut.pem'), tlsKey: 'node.key' }).message).toContain('cannot be read');
    const locked = withFile('locked.key', '-----BEGIN ENCRYPTED PRIVATE KEY-----\n');
    expect(refusal({ tlsCert: 'node.pem', tlsKey: join(locked, 'locked.key') }).message).toContain('is encrypted');
  });

  test('is warned of when it ends soon, has ended or has not begun', () => {
    const warningsAt = (date: string) => read(pair, fixtures, Date.parse(date)).warnings.join('\n');
    expect(warningsAt('2030-01-01')).not.toContain('the certificate');
    expect(warningsAt('2500-01-01')).toContain('ended on');
    expect(warningsAt('2000-01-01')).toContain('is not valid before');
  });
});

describe('a secret', () => {
  const good = 'sixteen bytes are enough';

  test('is the content of its file without the line break at its end', () => {
    expect(read({ secretFile: 's' }, withFile('s', `${good}\n`)).secret?.toString()).toBe(good);
    expect(read({ secretFile: 's' }, withFile('s', `${good}\r\n`)).secret?.toString()).toBe(good);
    const random = Buffer.from('00ff0a00ff0a00ff0a00ff0a00ff0a00ff', 'hex');
    expect(read({ secretFile: 's' }, withFile('s', random)).secret).toEqual(random);
  });

  test.each([
    ['', 'is empty'],
    ['\n\n', 'is empty'],
    ['fifteen bytes..\n', 'has 15 bytes'],
  ])('is refused: %j', (content, message) => {
    const error = refusal({ secretFile: 's' }, withFile('s', content));
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain(message);
    expect(error.hint).toContain('openssl rand');
  });

  test('that cannot be read is refused', () => {
    expect(refusal({ secretFile: 'nowhere' }, temporaryDirectory()).message).toContain('--secret-file cannot be read');
  });

  test('that others can read is warned of', () => {
    expect(read({ secretFile: 's' }, withFile('s', good)).warnings).toEqual([]);
    for (const mode of [0o640, 0o604]) {
      const [warning] = read({ secretFile: 's' }, withFile('s', good, mode)).warnings;
      expect(warning).toMatch(/can be read by other users of this machine: chmod 600/);
    }
  });
});
