/** The commands that talk to a node, over real HTTP, on a gateway that answers what a test wants. */
import { createServer, type Server } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { GreenroomError } from '../../src/core/errors.ts';
import { startEdge } from '../http/edge-fixture.ts';
import { run } from './text-terminal.ts';

const closedPort = 'http://127.0.0.1:9';
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function node(options: { tokens?: string[] } = {}) {
  const { url, gateway } = await startEdge(options);
  const greenroom = (args: readonly string[], more: Parameters<typeof run>[1] = {}) =>
    run(args, { ...more, env: { GREENROOM_URL: url, ...more?.env } });
  return { url, gateway, greenroom };
}

describe('greenroom call', () => {
  test('prints the reply on standard output, and nothing else anywhere', async () => {
    const { greenroom } = await node();
    expect(await greenroom(['call', 'Counter', 'hits', 'add', '3'])).toEqual({ exitCode: 0, out: '3', error: '' });
    expect(await greenroom(['call', 'Counter', 'hits', 'nothing'])).toEqual({ exitCode: 0, out: '', error: '' });
    expect((await greenroom(['call', 'Counter', 'hits', 'echo', '-5'])).out).toBe('-5');
    expect((await greenroom(['call', 'Counter', 'a/b c%', 'echo', '-'], { input: '{"a":1}' })).out).toBe('{"a":1}');
  });

  test('says with -v what it took and whether it woke the actor', async () => {
    const { greenroom, gateway } = await node();
    await greenroom(['call', 'Counter', 'hits', 'add', '1']);
    gateway.active.clear();
    const { error } = await greenroom(['call', 'Counter', 'hits', 'get', '-v']);
    expect(error).toContain('woke in 1.4 ms (1 event)');
    expect((await greenroom(['call', 'Counter', 'hits', 'get', '-v'])).error).toContain('was awake');
  });

  test('with the same --key repeats the answer and not the effect', async () => {
    const { greenroom } = await node();
    const args = ['call', 'Counter', 'hits', 'add', '1', '--key', 'order-17', '-v'];
    await greenroom(args);
    const again = await greenroom(args);
    expect(again.out).toBe('1');
    expect(again.error).toContain('the recorded answer of an earlier call');
  });

  test('without a command lists them', async () => {
    const { greenroom } = await node();
    const { out, exitCode } = await greenroom(['call', 'Counter', 'hits']);
    expect(exitCode).toBe(0);
    expect(out.split('\n')).toContain('add\t');
  });

  test('suggests the type and the command that were meant', async () => {
    const { greenroom } = await node();
    const type = await greenroom(['call', 'Countr', 'hits', 'add', '1']);
    expect(type.exitCode).toBe(1);
    expect(type.error).toContain('did you mean Counter?');
    expect((await greenroom(['call', 'Counter', 'hits', 'ad', '1'])).error).toContain('did you mean add?');
    expect((await greenroom(['call', 'Countr', 'hits'])).error).toContain('did you mean Counter?');
  });

  test('takes one input', async () => {
    const { greenroom, gateway } = await node();
    const { exitCode, error } = await greenroom(['call', 'Counter', 'hits', 'add', '1', '2']);
    expect(exitCode).toBe(2);
    expect(error).toContain('one input');
    expect((await greenroom(['call', 'Counter', 'hits', 'add', 'one'])).exitCode).toBe(2);
    expect((await greenroom(['call', 'Counter', '..', 'add', '1'])).exitCode).toBe(2);
    expect((await greenroom(['call', 'Counter', 'hits', 'add', '1', '--key', 'two words'])).exitCode).toBe(2);
    expect((await greenroom(['call', 'Counter', 'hits', 'add', '1', '--timeout', 'soon'])).exitCode).toBe(2);
    expect(gateway.requests).toHaveLength(0);
  });

  test('shows a rejection with its code and details', async () => {
    const { greenroom } = await node();
    const { exitCode, error } = await greenroom(['call', 'Counter', 'hits', 'reject']);
    expect(exitCode).toBe(1);
    expect(error).toContain('rejected: NOT_TODAY: ask again tomorrow');
    expect(error).toContain('{"day":1}');
  });

  test.each([
    ['UNAVAILABLE', 3],
    ['OVERLOADED', 3],
    ['QUARANTINED', 3],
    ['OUTCOME_UNKNOWN', 4],
    ['COMMAND_FAILED', 1],
    ['KEY_REUSED', 1],
  ] as const)('ends %s with exit code %i, and with --json prints the problem', async (code, exitCode) => {
    const { greenroom, gateway } = await node();
    gateway.failNext = [new GreenroomError(code, 'so it is'), new GreenroomError(code, 'so it is')];
    expect((await greenroom(['call', 'Counter', 'hits', 'get'])).exitCode).toBe(exitCode);
    const json = await greenroom(['call', 'Counter', 'hits', 'get', '--json']);
    expect(json.exitCode).toBe(exitCode);
    expect(json.error).toBe('');
    expect(JSON.parse(json.out)).toMatchObject({ code, detail: 'so it is', idempotencyKey: expect.any(String) });
  });

  test('whose connection breaks is sent again under the same key', async () => {
    const keys: unknown[] = [];
    const url = await serve((request, response) => {
      keys.push(request.headers['idempotency-key']);
      if (keys.length === 1) request.socket.destroy();
      else response.writeHead(200, { 'Content-Type': 'application/json' }).end('7');
    });
    const { exitCode, out, error } = await run(['call', 'Counter', 'hits', 'add', '1', '--url', url]);
    expect({ exitCode, out }).toEqual({ exitCode: 0, out: '7' });
    expect(error).toContain('trying again with the same key');
    expect(keys[0]).toBe(keys[1]);
  });

  test('that is never answered ends with exit code 4 and the key to ask again with', async () => {
    const url = await serve((request) => request.socket.destroy());
    const args = ['call', 'Counter', 'hits', 'add', '1', '--url', url, '--key', 'order-17', '--timeout', '400ms'];
    const { exitCode, error } = await run(args);
    expect(exitCode).toBe(4);
    expect(error).toContain("--key 'order-17'");
    expect(JSON.parse((await run([...args, '--json'])).out)).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      idempotencyKey: 'order-17',
    });
  });
});

describe('a node that is not there', () => {
  test('ends every command with exit code 3 and how to start one', async () => {
    for (const args of [['status'], ['types'], ['call', 'Counter', 'hits', 'get'], ['events', 'Counter', 'x', '-f']]) {
      const { exitCode, error } = await run([...args, '--url', 'http://127.0.0.1:47123']);
      expect(exitCode).toBe(3);
      expect(error).toContain('no node answers at http://127.0.0.1:47123');
      expect(error).toContain('greenroom start');
    }
  });

  test('is a problem object with --json', async () => {
    const { out, error } = await run(['--json', 'status', '--url', 'http://127.0.0.1:47123']);
    expect(error).toBe('');
    expect(JSON.parse(out)).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  });

  test('is told from something else that answers there', async () => {
    const url = await serve((_request, response) => void response.writeHead(404).end('<html>'));
    const { exitCode, error } = await run(['types', '--url', url]);
    expect(exitCode).toBe(1);
    expect(error).toContain('not as a Greenroom node does');
  });

  test('has an address that makes sense, or exit code 2', async () => {
    for (const url of ['http://', 'ftp://x', 'http://a b', closedPort]) {
      expect((await run(['types', '--url', url])).exitCode, url).toBe(2);
    }
  });
});

describe('tokens', () => {
  test('are sent from --token or GREENROOM_TOKEN, and asked for', async () => {
    const { greenroom } = await node({ tokens: ['secret-secret-secret'] });
    const refused = await greenroom(['types']);
    expect(refused.exitCode).toBe(1);
    expect(refused.error).toContain('--token or GREENROOM_TOKEN');
    expect((await greenroom(['types', '--token', 'secret-secret-secret'])).exitCode).toBe(0);
    expect((await greenroom(['types'], { env: { GREENROOM_TOKEN: 'secret-secret-secret' } })).exitCode).toBe(0);
  });
});

describe('greenroom inspect and events', () => {
  test('show state, history and what an event changed', async () => {
    const { greenroom, gateway } = await node();
    gateway.record('hits', { amount: 2 });
    gateway.record('hits', { amount: 3 });
    expect((await greenroom(['inspect', 'Counter', 'hits'])).out).toContain('"value": 5');
    expect((await greenroom(['inspect', 'Counter', 'hits', '--at', '1'])).out).toContain('"value": 2');
    expect((await greenroom(['inspect', 'Counter', 'hits', '--diff'])).out).toContain('~ value: 2 → 5');
    const json = await greenroom(['inspect', 'Counter', 'hits', '--at', '1', '--diff', '--json']);
    expect(JSON.parse(json.out)).toMatchObject({
      sequenceNumber: 1,
      event: { type: 'Added', data: { amount: 2 } },
      changes: [{ path: '/value', change: 'changed', before: 0, after: 2 }],
    });
    const { out } = await greenroom(['events', 'Counter', 'hits', '--after', '1']);
    expect(out).toBe('2\t2023-11-14T22:13:20.000Z\tAdded\t{"amount":3}');
  });

  test('refuse numbers that are none', async () => {
    const { greenroom } = await node();
    expect((await greenroom(['inspect', 'Counter', 'hits', '--at', 'last'])).exitCode).toBe(2);
    expect((await greenroom(['inspect', 'Counter', 'hits', '--at', '0', '--diff'])).exitCode).toBe(2);
    expect((await greenroom(['events', 'Counter', 'hits', '--limit', '5000'])).exitCode).toBe(2);
    expect((await greenroom(['inspect', 'Counter', 'nobody'])).exitCode).toBe(1);
  });

  test('name the next page', async () => {
    const { greenroom, gateway } = await node();
    for (let i = 0; i < 3; i++) gateway.record('hits', { amount: 1 });
    expect((await greenroom(['events', 'Counter', 'hits', '--limit', '2'])).error).toBe('more: --after 2');
  });

  test('followed with --json are NDJSON, go on after a lost connection, and miss and repeat nothing', async () => {
    const { greenroom, gateway, url } = await node();
    gateway.record('hits', { amount: 1 });
    let connections = 0;
    const flaky = await serve((request, response) => {
      connections += 1;
      const isLastOne = connections > 2;
      if (connections > 1) gateway.record('hits', { amount: connections });
      fetch(`${url}${request.url}`, { headers: request.headers as Record<string, string> }).then(
        async (upstream) => {
          response.writeHead(upstream.status, { 'Content-Type': 'text/event-stream' });
          for await (const chunk of upstream.body!) {
            response.write(chunk);
            if (!isLastOne && String(Buffer.from(chunk)).includes('data:')) return request.socket.destroySoon();
          }
        },
        () => {},
      );
    });
    const following = greenroom(['events', 'Counter', 'hits', '-f', '--json', '--limit', '3'], {
      env: { GREENROOM_URL: flaky },
    });
    const { exitCode, out, error } = await following;
    expect(exitCode).toBe(0);
    expect(out.split('\n').map((line) => JSON.parse(line).sequenceNumber)).toEqual([1, 2, 3]);
    expect(error).toContain('trying again');
  });
});

describe('greenroom actors', () => {
  test('lists a page, the next one, or all', async () => {
    const { greenroom, gateway } = await node();
    for (const id of ['c', 'a', 'b']) gateway.record(id, { amount: 1 });
    const first = await greenroom(['actors', 'Counter', '--limit', '2']);
    expect(first.out.split('\n')).toEqual(['ID\tSTATUS\tEVENTS', 'a\tactive\t1', 'b\tactive\t1']);
    expect(first.error).toContain("more: --after 'b'");
    expect((await greenroom(['actors', 'Counter', '--after', 'b'])).out.split('\n').slice(1)).toEqual(['c\tactive\t1']);
    expect((await greenroom(['actors', 'Counter', '--all'])).out.split('\n')).toHaveLength(4);
    const json = await greenroom(['actors', 'Counter', '--all', '--json']);
    expect(json.out.split('\n').map((line) => JSON.parse(line).id)).toEqual(['a', 'b', 'c']);
    expect((await greenroom(['actors', 'Counter', '--all', '--limit', '2'])).exitCode).toBe(2);
  });
});

describe('what cannot be undone', () => {
  test('asks on a terminal, and does nothing if nobody can be asked', async () => {
    const { greenroom, gateway } = await node();
    gateway.record('hits', { amount: 1 });
    expect((await greenroom(['delete', 'Counter', 'hits'])).exitCode).toBe(2);
    const declined = await greenroom(['delete', 'Counter', 'hits'], { answers: [false] });
    expect(declined).toMatchObject({ exitCode: 0, error: expect.stringContaining('nothing was done') });
    expect((await greenroom(['inspect', 'Counter', 'hits'])).exitCode).toBe(0);
    expect((await greenroom(['delete', 'Counter', 'hits'], { answers: [true] })).exitCode).toBe(0);
    expect((await greenroom(['inspect', 'Counter', 'hits'])).exitCode).toBe(1);
    expect((await greenroom(['remove', 'b'])).exitCode).toBe(2);
  });
});

describe('greenroom status, members and shards', () => {
  test('say how the node is', async () => {
    const { greenroom, gateway } = await node();
    expect((await greenroom(['status'])).out).toContain('ready    yes');
    gateway.ready = { ready: false, reason: 'shard 3 is starting' };
    expect((await greenroom(['status'])).out).toContain('no: ');
    expect(JSON.parse((await greenroom(['status', '--json'])).out)).toMatchObject({ ready: false, node: 'a' });
    expect((await greenroom(['members'])).out.split('\n')[0]).toBe('NODE\tSTATUS\tSHARDS\tADDRESS\tHTTP');
    expect((await greenroom(['shards'])).exitCode).toBe(0);
  });
});

describe('the command line', () => {
  test('refuses what it does not know with exit code 2 and a suggestion', async () => {
    expect(await run(['stauts'])).toMatchObject({
      exitCode: 2,
      error: expect.stringContaining('did you mean status?'),
    });
    expect(await run(['status', '--jsn'])).toMatchObject({ exitCode: 2, error: expect.stringContaining('--json') });
    expect(await run(['inspect', 'Counter'])).toMatchObject({ exitCode: 2, error: expect.stringContaining('id') });
    expect(JSON.parse((await run(['inspect', 'Counter', '--json'])).out)).toMatchObject({ code: 'BAD_REQUEST' });
  });

  test('explains itself, with examples for every command', async () => {
    expect(await run([])).toMatchObject({ exitCode: 2, out: '', error: expect.stringContaining('Usage: greenroom') });
    const { exitCode, out } = await run(['--help']);
    expect(exitCode).toBe(0);
    const names = [...out.matchAll(/^ {2}([a-z]+)\b.* {2,}\S/gm)]
      .map((match) => match[1]!)
      .filter((name) => name !== 'help');
    expect(names).toEqual(expect.arrayContaining(['start', 'dev', 'call', 'inspect', 'config', 'drain']));
    for (const name of names) expect((await run([name, '--help'])).out, name).toContain('Examples:\n  greenroom');
  });

  test('knows its version', async () => {
    expect((await run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+/);
  });
});

type Handler = Parameters<typeof createServer>[1];

async function serve(handler: Extract<Handler, (...args: never[]) => unknown>): Promise<string> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}
