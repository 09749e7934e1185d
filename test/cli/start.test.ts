/** `greenroom start` as a process: its one line, its exit codes, its stops. */
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { samePressMs } from '../../src/cli/stop-signals.ts';
import { ensureBuilt } from './built.ts';
import { directoryWith, freePorts, greenroom } from './spawned.ts';
import { run } from './text-terminal.ts';

const servers: Server[] = [];

beforeAll(ensureBuilt);
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function takenPort(): Promise<string> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return String((server.address() as { port: number }).port);
}

function call(http: string, command: string, input?: number): Promise<Response> {
  return fetch(`${http}/v1/actors/Counter/hits/${command}`, {
    method: 'POST',
    ...(input === undefined ? {} : { body: String(input), headers: { 'Content-Type': 'application/json' } }),
  });
}

describe('a node that can serve', () => {
  test('says so in one line on standard output, serves, and stops in order with exit code 0', async () => {
    const cwd = directoryWith();
    const node = greenroom(['start', 'actors.ts', '--node', 'a', ...freePorts], cwd);
    const { name, http } = await node.isReady();
    expect(name).toBe('a');
    expect(await (await call(http, 'add', 2)).json()).toBe(2);
    node.signal('SIGTERM');
    expect(await node.ended).toEqual({ code: 0, signal: null });
    expect(node.out.split('\n')).toHaveLength(2);
    for (const line of node.error.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg');

    const again = greenroom(['start', 'actors.ts', '--node', 'a', ...freePorts], cwd);
    expect(await (await call((await again.isReady()).http, 'get')).json()).toBe(2);
    again.signal('SIGINT');
    expect((await again.ended).code).toBe(0);
  });

  test('takes its settings from variables and greenroom.config.json, and is reached by the other commands', async () => {
    const cwd = directoryWith({
      'greenroom.config.json': '{ "actors": ["actors.ts"], "node": "from-file", "port": 0 }',
    });
    const node = greenroom(['start'], cwd, { GREENROOM_HTTP_PORT: '0', GREENROOM_LOG_FORMAT: 'pretty' });
    const { name, http } = await node.isReady();
    expect(name).toBe('from-file');
    const called = greenroom(['call', 'Counter', 'hits', 'add', '3', '-v'], cwd, { GREENROOM_URL: http });
    expect((await called.ended).code).toBe(0);
    expect(called.out).toBe('3\n');
    expect(called.error).toContain('woke in');
    const piped = greenroom(['events', 'Counter', 'hits', '--json', '--url', http], cwd);
    expect((await piped.ended).code).toBe(0);
    expect(JSON.parse(piped.out).events).toHaveLength(1);
  });

  test('serves no HTTP if told so', async () => {
    const node = greenroom(['start', 'actors.ts', '--port', '0', '--http-port', 'off'], directoryWith());
    expect((await node.isReady()).http).toBe('off');
  });

  test('warns when whoever reaches it may call, and not when tokens guard it', async () => {
    const cwd = directoryWith({ tokens: '0123456789abcdef0123456789abcdef\n' });
    const open = greenroom(['start', 'actors.ts', '--http-host', '0.0.0.0', '--node', 'a', ...freePorts], cwd);
    await open.isReady();
    expect(open.error).toContain('without tokens');
    const guarded = greenroom(
      ['start', 'actors.ts', '--http-host', '0.0.0.0', '--node', 'b', '--tokens-file', 'tokens', ...freePorts],
      cwd,
    );
    const { http } = await guarded.isReady();
    expect(guarded.error).not.toContain('without tokens');
    expect((await fetch(`http://127.0.0.1:${new URL(http).port}/v1/actors`)).status).toBe(401);
  });

  test('survives a promise that an actor forgot', async () => {
    const node = greenroom(['start', 'actors.ts', ...freePorts], directoryWith());
    const { http } = await node.isReady();
    expect((await call(http, 'neglect')).status).toBe(200);
    await node.says(/nobody awaits this/);
    expect((await call(http, 'get')).status).toBe(200);
  });
});

describe('a stop', () => {
  test('lets a command in progress finish', async () => {
    const node = greenroom(['start', 'actors.ts', ...freePorts], directoryWith());
    const { http } = await node.isReady();
    const running = call(http, 'slowly', 400);
    await call(http, 'get').catch(() => {});
    await sleep(0);
    node.signal('SIGTERM');
    expect((await running).status).toBe(200);
    expect((await node.ended).code).toBe(0);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by a second %s is one at once, with exit code %i', async (signal, code) => {
    const node = greenroom(['start', 'actors.ts', ...freePorts], directoryWith());
    const { http } = await node.isReady();
    const lost = call(http, 'slowly', 60_000).catch(() => undefined);
    const { request } = await import('node:http');
    await new Promise((resolve) =>
      request(`${http}/healthz`, (response) => response.resume().on('end', resolve)).end(),
    );
    node.signal(signal);
    await node.says(/stopping/);
    // Not a wait for something to happen: signals closer together than this count as one.
    await sleep(samePressMs + 100);
    expect(node.hasEnded).toBe(false);
    node.signal(signal);
    expect((await node.ended).code).toBe(code);
    await lost;
  });

  test('by one press of Ctrl-C that arrives twice is an ordered one', async () => {
    const node = greenroom(['start', 'actors.ts', ...freePorts], directoryWith());
    await node.isReady();
    node.signal('SIGINT');
    node.signal('SIGINT');
    expect((await node.ended).code).toBe(0);
  });
});

describe('refused, with what happened and what to do, is', () => {
  test.each([
    [['start'], /no actor files/],
    [['start', 'gone.ts'], /there is no such file/],
    [['start', 'actors.ts', '--tokens-file', 'gone'], /tokens file cannot be read/],
    [['start', 'actors.ts', '--host', 'no.such.host.invalid'], /no address of this machine/],
    [['start', 'broken.ts'], /broken\.ts:2:\d+: syntax error/],
    [['start', 'reserved.ts'], /tell/],
  ])('%j, with exit code 2', async (args, message) => {
    const files = {
      'broken.ts': '\nexport const = 1;',
      'reserved.ts': `import { Actor } from 'greenroom'; export class Bad extends Actor { tell() {} }`,
    };
    const refused = greenroom(args, directoryWith(files));
    expect((await refused.ended).code).toBe(2);
    expect(refused.out).toBe('');
    expect(refused.error).toMatch(message);
  });

  test.each([
    [['start', 'actors.ts', '--port', 'x'], /--port: 'x' is not a port/],
    [['start', 'actors.ts', '--join', 'b'], /has "b", no address such as/],
    [['start', 'actors.ts', '--port', '27411', '--join', '127.0.0.1:27411'], /--join names only this node itself/],
    [['start', 'actors.ts', '--host', '0.0.0.0', '--join', 'b:7400'], /give --advertise <host>:7400/],
    [['start', 'actors.ts', '--tls-cert', 'cert.pem'], /--tls-cert needs its private key/],
    [['start', 'actors.ts', '--prot', '7400'], /unknown option '--prot'\ndid you mean --port\?/],
    [['dev', 'actors.ts', '--nodes', '10'], /--nodes: '10' is not a whole number from 1 to 9/],
    [['dev'], /no actor files/],
  ])('%j, with exit code 2, before anything is started', async (args, message) => {
    const { exitCode, out, error } = await run(args, { cwd: directoryWith() });
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' });
    expect(error).toMatch(message);
  });

  test('an unknown key of greenroom.config.json, with exit code 2', async () => {
    const cwd = directoryWith({ 'greenroom.config.json': '{ "prot": 7400 }' });
    const refused = await run(['start', 'actors.ts'], { cwd });
    expect(refused.exitCode).toBe(2);
    expect(refused.error).toContain("no setting 'prot'; did you mean port?");
  });

  test.each(['--port', '--http-port'])('a port of %s that is in use, with exit code 1', async (flag) => {
    const port = await takenPort();
    const refused = greenroom(['start', 'actors.ts', ...freePorts, flag, port], directoryWith());
    expect((await refused.ended).code).toBe(1);
    expect(refused.error).toContain(`port ${port} is in use by another process`);
    expect(refused.error).toContain(`give ${flag} another port`);
  });

  test('a data directory that another node uses, with exit code 1', async () => {
    const cwd = directoryWith();
    const first = greenroom(['start', 'actors.ts', '--data', 'data', ...freePorts], cwd);
    await first.isReady();
    const second = greenroom(['start', 'actors.ts', '--data', 'data', ...freePorts], cwd);
    expect((await second.ended).code).toBe(1);
    expect(second.error).toMatch(/^greenroom: .*data/m);
    expect(second.error).not.toContain('    at ');
    expect(first.hasEnded).toBe(false);
  });
});
