/** `greenroom dev` as a process, and its keys and files one by one. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Actor } from '../../src/actors/actor.ts';
import { leaveDevData, markName, prepareDevData } from '../../src/cli/dev-data.ts';
import { experimentLine } from '../../src/cli/dev-experiment.ts';
import { keyMeaning, keysLine } from '../../src/cli/dev-keys.ts';
import { DevNode } from '../../src/cli/dev-node.ts';
import { planNodes } from '../../src/cli/dev-plan.ts';
import { idInShard, shardsToProbe } from '../../src/cli/dev-probe.ts';
import { probeTypeName } from '../../src/cli/dev-probe-actor.ts';
import { DevSupervisor } from '../../src/cli/dev-supervisor.ts';
import { curlLines, curlText } from '../../src/cli/dev-welcome.ts';
import { FileWatch } from '../../src/cli/file-watch.ts';
import { resolveSettings } from '../../src/cli/layered-settings.ts';
import { connect } from '../../src/client/index.ts';
import { actorHash } from '../../src/core/hash.ts';
import { ensureBuilt } from './built.ts';
import { counterSource, directoryWith, freePorts, greenroom, isAlive, until, untilThreeVote } from './spawned.ts';
import { temporaryDirectory } from './temporary.ts';
import { textTerminal } from './text-terminal.ts';

beforeAll(ensureBuilt);

const welcome = /node a\s+(http:\S+)\s+cluster \S+\s+pid (\d+)/;

async function developing(files: Record<string, string> = {}, ...flags: string[]) {
  const cwd = directoryWith(files);
  const dev = greenroom(['dev', 'actors.ts', ...freePorts, ...flags], cwd);
  const [, http, pid] = await dev.says(welcome);
  return { dev, cwd, http: http!, pid: Number(pid) };
}

async function get(http: string): Promise<unknown> {
  return (await fetch(`${http}/v1/actors/Counter/hits/get`, { method: 'POST' })).json();
}

async function add(http: string, by: number): Promise<unknown> {
  const headers = { 'Content-Type': 'application/json' };
  return (await fetch(`${http}/v1/actors/Counter/hits/add`, { method: 'POST', headers, body: String(by) })).json();
}

describe('greenroom dev', () => {
  test('names the node, the dashboard and requests that work, and stops in order', async () => {
    const { dev, http, pid, cwd } = await developing();
    await dev.says(/dashboard\s+http:\S+\//);
    const [, request] = await dev.says(/curl -X POST (\S+)/);
    expect(request).toBe(`${http}/v1/actors/Counter/demo/get`);
    expect(dev.out).not.toContain('press 1');
    expect(await add(http, 2)).toBe(2);
    expect(existsSync(join(cwd, '.greenroom/dev/a'))).toBe(true);
    dev.signal('SIGTERM');
    expect((await dev.ended).code).toBe(0);
    expect(isAlive(pid)).toBe(false);
  });

  test('restarts when an actor file or what it imports changes, and keeps what was recorded', async () => {
    const source = `import { step } from './step.ts';${counterSource.replace("'Added', by", "'Added', by * step")}`;
    const { dev, http, cwd } = await developing({ 'actors.ts': source, 'step.ts': 'export const step = 1;' });
    expect(await add(http, 2)).toBe(2);
    writeFileSync(join(cwd, 'step.ts'), 'export const step = 10;');
    await dev.says(/step\.ts changed/);
    await dev.says(/a back after [\d.]+ m?s/);
    expect(await add(http, 1)).toBe(12);
  });

  test('waits for a mended file when a changed one does not load', async () => {
    const { dev, cwd, http } = await developing();
    writeFileSync(join(cwd, 'actors.ts'), 'export const = 1;');
    await dev.says(/actors\.ts:1:\d+: syntax error/);
    await dev.says(/a did not start \(exit code 2\)/);
    writeFileSync(join(cwd, 'actors.ts'), counterSource);
    await dev.says(/a back after/);
    expect(await get(http)).toBe(0);
  });

  test('says that a node died, and brings it back on the next change', async () => {
    const { dev, cwd, pid } = await developing();
    process.kill(pid, 'SIGKILL');
    await dev.says(/a died \(SIGKILL\)/);
    writeFileSync(join(cwd, 'actors.ts'), `${counterSource}// changed`);
    await dev.says(/a back after/);
  });

  test('leaves no node behind, also when it is killed itself', async () => {
    const { dev, pid } = await developing();
    dev.signal('SIGKILL');
    await dev.ended;
    await until('the node to end', () => (isAlive(pid) ? undefined : true));
  });

  test('freezes state, so that code that changes it fails at once', async () => {
    const source = counterSource
      .replace('get() {', 'spoil() { (this.state as any).n = 1; } get() {')
      .replace('(): number => 0', '(): any => ({})');
    const { http } = await developing({ 'actors.ts': source });
    const answer = await fetch(`${http}/v1/actors/Counter/hits/spoil`, { method: 'POST' });
    expect(answer.status).toBe(500);
  });

  test('with a file that does not load ends with exit code 2 where nobody can press a key', async () => {
    const dev = greenroom(['dev', 'actors.ts', ...freePorts], directoryWith({ 'actors.ts': 'export const = 1;' }));
    expect((await dev.ended).code).toBe(2);
    expect(dev.error).toMatch(/actors\.ts:1:\d+: syntax error/);
  });

  test('on a port that is in use says so, with exit code 1', async () => {
    const { http } = await developing();
    const { port } = new URL(http);
    const dev = greenroom(['dev', 'actors.ts', '--port', '0', '--http-port', port], directoryWith());
    expect((await dev.ended).code).toBe(1);
    expect(dev.error).toContain(`port ${port} is in use by another process`);
    expect(dev.error).toContain('--http-port');
  });

  test('--fresh starts empty', async () => {
    const { dev, http, cwd } = await developing();
    await add(http, 2);
    dev.signal('SIGINT');
    await dev.ended;
    const again = greenroom(['dev', 'actors.ts', ...freePorts], cwd);
    const [, kept] = await again.says(welcome);
    expect(await get(kept!)).toBe(2);
    again.signal('SIGINT');
    await again.ended;
    const fresh = greenroom(['dev', 'actors.ts', '--fresh', ...freePorts], cwd);
    const [, empty] = await fresh.says(welcome);
    expect(await get(empty!)).toBe(0);
  });

  test('refuses to share a directory with another greenroom dev', async () => {
    const { cwd } = await developing();
    const second = greenroom(['dev', 'actors.ts', ...freePorts], cwd);
    expect((await second.ended).code).toBe(1);
    expect(second.error).toContain('another `greenroom dev`');
  });
});

describe('greenroom dev with three nodes', () => {
  const waitMs = 90_000;

  async function trio(cwd: string, ...flags: string[]) {
    const dev = greenroom(['dev', 'actors.ts', '--nodes', '3', '--shards', '16', ...freePorts, ...flags], cwd);
    await dev.says(/dashboard/);
    const nodes = [...dev.out.matchAll(/node (\w)\s+(http:\S+)\s+cluster \S+\s+pid (\d+)/g)];
    await untilThreeVote(nodes[0]![2]!);
    return { dev, https: nodes.map((each) => each[2]!), pids: nodes.map((each) => Number(each[3])) };
  }

  test('is one cluster, restarts node by node without an error, keeps its data, and leaves nothing behind', {
    timeout: waitMs,
  }, async () => {
    const cwd = directoryWith();
    const { dev, https, pids } = await trio(cwd);
    expect(https).toHaveLength(3);
    expect(await Promise.all(https.map((http) => add(http, 2))).then((all) => all.sort())).toEqual([2, 4, 6]);
    const calls: unknown[] = [];
    let isOver = false;
    const client = connect(https);
    const load = (async () => {
      while (!isOver) calls.push(await client.actor<{ get(): number } & Actor>('Counter', 'hits').get());
    })();
    writeFileSync(
      join(cwd, 'actors.ts'),
      counterSource.replace('get() {', 'twice() { return this.state * 2; } get() {'),
    );
    await dev.says(/actors\.ts changed: restarting/);
    for (const name of ['a', 'b', 'c']) await dev.says(new RegExp(`${name} back after`));
    isOver = true;
    await load;
    client.close();
    expect(new Set(calls)).toEqual(new Set([6]));
    for (const http of https)
      expect(await (await fetch(`${http}/v1/actors/Counter/hits/twice`, { method: 'POST' })).json()).toBe(12);
    dev.signal('SIGTERM');
    expect((await dev.ended).code).toBe(0);
    for (const pid of pids) expect(isAlive(pid)).toBe(false);

    const again = await trio(cwd);
    expect(await get(again.https[2]!)).toBe(6);
    again.dev.signal('SIGTERM');
    await again.dev.ended;
    const fewer = greenroom(['dev', 'actors.ts', ...freePorts], cwd);
    expect((await fewer.ended).code).toBe(2);
    expect(fewer.error).toContain('holds a cluster of 3 nodes');
    expect(fewer.error).toContain('give --nodes 3, or --fresh');
  });

  test('a change that does not load stops one node, and the others go on', { timeout: waitMs }, async () => {
    const cwd = directoryWith();
    const { dev, https } = await trio(cwd);
    writeFileSync(join(cwd, 'actors.ts'), 'export const = 1;');
    await dev.says(/a did not start \(exit code 2\)/);
    expect(await add(https[1]!, 1)).toBe(1);
    expect(await get(https[2]!)).toBe(1);
    writeFileSync(join(cwd, 'actors.ts'), counterSource);
    for (const name of ['a', 'b', 'c']) await dev.says(new RegExp(`${name} back after`));
  });

  test('keys kill a node and start it again, and a line says what callers noticed', { timeout: waitMs }, async () => {
    const cwd = directoryWith();
    const lines: string[] = [];
    const terminal = { ...textTerminal({ cwd }), print: (line: string) => void lines.push(line) };
    const resolved = resolveSettings({
      flags: { actors: ['actors.ts'], port: '0', httpPort: '0', shards: '16' },
      env: {},
      file: undefined,
    });
    const directory = join(cwd, 'data');
    prepareDevData(directory, false);
    const plan = await planNodes(3, resolved, directory, terminal);
    const supervisor = new DevSupervisor(
      { ...plan, dataText: 'data', token: undefined, env: { PATH: process.env.PATH }, hasKeys: true },
      terminal,
    );
    const says = (pattern: RegExp) =>
      until(
        () => `${pattern} in ${lines.join('\n')}`,
        () => lines.find((line) => pattern.test(line)),
      );
    supervisor.start();
    try {
      await says(/press 1, 2 or 3/);
      await untilThreeVote(/node a\s+(http:\S+)/.exec(lines.join('\n'))![1]!);
      supervisor.press('2');
      const report = await says(/^b killed · /);
      expect(report).toMatch(/^b killed · \d+ shards? moved · longest pause [\d.]+ m?s · 0 commands lost$/);
      supervisor.press('2');
      await says(/^b back after/);
      expect(await says(/^b started · /)).toMatch(/ · 0 commands lost$/);
    } finally {
      supervisor.stop();
      expect(await supervisor.ended).toBe(0);
    }
  });
});

describe('the line about a killed node', () => {
  const noticed = { moved: 86, longestPauseMs: 900, calls: 100, lost: 0, doubled: 0, failures: [], notServed: 0 };

  test('is short when all went well', () => {
    expect(experimentLine('b killed', noticed)).toBe(
      'b killed · 86 shards moved · longest pause 900 ms · 0 commands lost',
    );
  });

  test('hides nothing when not', () => {
    const bad = { ...noticed, moved: 1, lost: 1, doubled: 2, failures: ['UNAVAILABLE', 'UNAVAILABLE'], notServed: 3 };
    expect(experimentLine('b killed', bad)).toBe(
      'b killed · 1 shard moved · longest pause 900 ms · 1 command lost · 2 commands executed twice · 2 calls failed (UNAVAILABLE) · 3 shards not served after 30.0 s',
    );
  });

  test('is measured with one counter in each probed shard, half of them of the node that is killed', () => {
    const shards = Array.from({ length: 256 }, (_, shard) => ({
      shard,
      epoch: 1,
      owner: ['a', 'b', 'c'][shard % 3]!,
      replicas: ['a', 'b', 'c'],
      learners: [],
      status: 'active',
    }));
    const probed = shardsToProbe(shards, 'b');
    expect(new Set(probed).size).toBe(32);
    expect(probed.filter((shard) => shard % 3 === 1)).toHaveLength(16);
    for (const shard of probed) expect(actorHash(probeTypeName, idInShard(shard, 256)) % 256).toBe(shard);
  });
});

describe('the data directory of greenroom dev', () => {
  test('is emptied only if it bears the mark', () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'thesis.txt'), 'years of work');
    expect(() => prepareDevData(directory, true)).toThrow('did not make');
    expect(() => prepareDevData(directory, false)).toThrow('did not make');
    expect(readdirSync(directory)).toEqual(['thesis.txt']);
  });

  test('is made, marked, and emptied when asked to', () => {
    const directory = join(temporaryDirectory(), 'deep/dev');
    prepareDevData(directory, true);
    mkdirSync(join(directory, 'a'));
    leaveDevData(directory);
    prepareDevData(directory, false);
    expect(readdirSync(directory).sort()).toEqual(['a', markName]);
    prepareDevData(directory, true);
    expect(readdirSync(directory)).toEqual([markName]);
  });
});

describe('a node of greenroom dev', () => {
  test('is killed and started again, and keeps what was acknowledged', async () => {
    const cwd = directoryWith();
    const deaths: unknown[] = [];
    const node = new DevNode({
      name: 'a',
      args: ['actors.ts', '--data', 'data', ...freePorts],
      env: { PATH: process.env.PATH },
      cwd,
      onLine: () => {},
      onLoaded: () => {},
      onDied: (exit) => deaths.push(exit),
    });
    try {
      const first = await node.start();
      if (first.type !== 'ready') throw new Error('it did not start');
      expect(await add(first.http, 2)).toBe(2);
      await node.kill();
      expect(isAlive(first.pid)).toBe(false);
      const second = await node.start();
      if (second.type !== 'ready') throw new Error('it did not start again');
      expect(second.tookMs).toBeGreaterThan(0);
      expect(await get(second.http)).toBe(2);
      expect(deaths).toEqual([]);
    } finally {
      await node.stop();
    }
  });
});

describe('keys', () => {
  test('kill and start nodes, restart, explain and stop', () => {
    expect(keyMeaning('1', 1)).toEqual({ type: 'toggle', index: 0 });
    expect(keyMeaning('3', 3)).toEqual({ type: 'toggle', index: 2 });
    expect(keyMeaning('r', 1)).toEqual({ type: 'restart' });
    expect(keyMeaning('h', 1)).toEqual({ type: 'help' });
    for (const key of ['q', '\u0003', '\u0004']) expect(keyMeaning(key, 1)).toEqual({ type: 'stop' });
  });

  test('without a meaning do nothing', () => {
    for (const key of ['2', '0', 'x', '\u001b', ' ']) expect(keyMeaning(key, 1)).toBeUndefined();
  });

  test('are explained', () => {
    expect(keysLine(['a'])).toContain('press 1 to kill -9 node a');
    expect(keysLine(['a', 'b', 'c'])).toContain('press 1, 2 or 3 to kill -9 that node');
  });
});

describe('requests to paste', () => {
  const type = (name: string, ...commands: string[]) => ({
    name,
    kind: 'eventSourced',
    commands: commands.map((command) => ({ name: command })),
  });
  const url = 'http://127.0.0.1:8400';

  test('tell a story for the shopping cart', () => {
    const lines = curlLines([type('Stock', 'get'), type('ShoppingCart', 'addItem', 'checkout', 'get')], {});
    expect(lines.map((line) => curlText(url, line, false))).toEqual([
      `curl ${url}/v1/actors/ShoppingCart/alice/addItem -H 'Content-Type: application/json' -d '{"sku":"milk","quantity":2}'`,
      `curl -X POST ${url}/v1/actors/ShoppingCart/alice/get`,
      `curl ${url}/v1/actors/ShoppingCart/alice/-/events`,
    ]);
  });

  test('call a command without input of other actors, a question if there is one', () => {
    const types = [type('Counter', 'reset', 'add', 'get')];
    const lines = curlLines(types, { Counter: ['reset', 'get'] });
    expect(lines.map((line) => curlText(url, line, true))).toEqual([
      `curl ${url}/v1/actors -H "Authorization: Bearer $GREENROOM_TOKEN"`,
      `curl -X POST ${url}/v1/actors/Counter/demo/get -H "Authorization: Bearer $GREENROOM_TOKEN"`,
    ]);
    expect(curlLines(types, {})).toHaveLength(1);
  });
});

describe('a watched file', () => {
  test('counts as changed when its content is another, however it was saved', async () => {
    const directory = directoryWith({ 'a.ts': '1', 'b.ts': '1', 'c.ts': '1' });
    const changes: string[] = [];
    const watch = new FileWatch(
      (files) => changes.push(...files),
      () => {},
    );
    watch.set([join(directory, 'a.ts'), join(directory, 'b.ts')]);
    try {
      writeFileSync(join(directory, 'c.ts'), '2');
      writeFileSync(join(directory, 'b.ts'), '1');
      const { renameSync } = await import('node:fs');
      writeFileSync(join(directory, 'a.ts~'), '2');
      renameSync(join(directory, 'a.ts~'), join(directory, 'a.ts'));
      await until('the change', () => (changes.length > 0 ? true : undefined));
      expect(changes).toEqual([join(directory, 'a.ts')]);
    } finally {
      watch.close();
    }
  });
});
