/** `greenroom backup` and `restore`, end to end: a node under load, its backup over HTTP, and a node made out of it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventSourced, startNode } from 'greenroom';
import { describe, expect, test } from 'vitest';
import { backupMediaType } from '../../src/persistence/backup/backup-format.ts';
import { startEdge } from '../http/edge-fixture.ts';
import { temporaryDirectory } from './temporary.ts';
import { run } from './text-terminal.ts';

class Counter extends eventSourced({
  initialState: (): number => 0,
  events: { Added: (sum: number, by: number) => sum + by },
  snapshotEvery: 5,
}) {
  add(by: number) {
    this.persist('Added', by);
    return this.state;
  }
  get() {
    return this.state;
  }
}

const quiet = { actors: [Counter], port: 0, httpPort: 0, shards: 16 } as const;
const actorCount = 40;

test('every command acknowledged before a backup began is in it, and what a restored node serves is one moment', async () => {
  const cwd = temporaryDirectory();
  const node = await startNode({ ...quiet, data: join(cwd, 'data'), node: 'a' });
  let isOver = false;
  const acknowledged = new Array<number>(actorCount).fill(0);
  const load = Array.from({ length: actorCount }, async (_, i) => {
    while (!isOver) acknowledged[i] = await node.actor(Counter, `c${i}`).add(1);
  });
  try {
    while (acknowledged.some((count) => count < 20)) await new Promise((resolve) => setImmediate(resolve));
    const before = [...acknowledged];
    const taken = await run(['backup', 'bk', '--url', node.httpUrl!], { cwd });
    const after = [...acknowledged];
    expect(taken.error).toBe('');
    expect(taken.exitCode).toBe(0);
    expect(taken.out).toMatch(/^node a of cluster \S+ at \S+: \d+ records, 16 shards, .*\ndone$/);
    isOver = true;
    await Promise.all(load);
    expect((await run(['backup', '--verify', 'bk'], { cwd })).out).toContain('whole');

    const restored = await run(['restore', 'bk', '--data', 'data2', '--node', 'b'], { cwd });
    expect(restored.exitCode).toBe(0);
    const events = (from: typeof node, i: number) =>
      from.gateway.events('Counter', `c${i}` as never, 0, 1_000_000).then((all) => all);
    const copy = await startNode({ ...quiet, data: join(cwd, 'data2') });
    try {
      expect(copy.name).toBe('b');
      for (let i = 0; i < actorCount; i++) {
        const sum = await copy.actor(Counter, `c${i}`).get();
        expect(sum).toBeGreaterThanOrEqual(before[i]!);
        expect(sum).toBeLessThanOrEqual(after[i]! + 1);
        expect(await events(copy, i)).toEqual((await events(node, i)).slice(0, sum));
        expect(await copy.actor(Counter, `c${i}`).add(1)).toBe(sum + 1);
      }
    } finally {
      await copy.close();
    }
  } finally {
    isOver = true;
    await Promise.allSettled(load);
    await node.close();
  }
});

describe('greenroom backup', () => {
  test('does not touch a folder that holds something, and makes none if no node answers', async () => {
    const cwd = temporaryDirectory();
    const { url } = await startEdge();
    writeFileSync(join(cwd, 'mine'), 'mine');
    const inMine = await run(['backup', '.', '--url', url], { cwd });
    expect(inMine.exitCode).toBe(2);
    expect(inMine.error).toContain("is not empty (it holds 'mine')");
    expect((await run(['backup', 'new', '--url', 'http://127.0.0.1:29'], { cwd })).exitCode).toBe(3);
    expect(readdirSync(cwd)).toEqual(['mine']);
  });

  test('that breaks off leaves a folder that says so, and no backup', async () => {
    const cwd = temporaryDirectory();
    const { url, gateway } = await startEdge();
    gateway.backupPieces = async function* () {
      yield Buffer.from('00', 'hex');
      throw new Error('the disk is on fire');
    };
    const broken = await run(['backup', 'bk', '--url', url], { cwd });
    expect(broken.exitCode).not.toBe(0);
    expect(broken.error).toContain('is unfinished; the same command starts it anew');
    expect(readFileSync(join(cwd, 'bk', 'unfinished'), 'utf8')).toContain('cannot be restored');
    const restored = await run(['restore', 'bk', '--data', 'data'], { cwd });
    expect(restored.exitCode).toBe(1);
    expect(restored.error).toContain('was interrupted, or is still being taken');
    expect((await run(['backup', '--verify', 'bk', '--json'], { cwd })).exitCode).toBe(1);
  });

  test('is one at a time, needs a token where there are tokens, and ends with its caller', async () => {
    const { url, gateway } = await startEdge({ tokens: ['a-token-of-this-test'] });
    let isReleased = false;
    gateway.backupPieces = async function* () {
      try {
        for (;;) yield Buffer.alloc(256 * 1024);
      } finally {
        isReleased = true;
      }
    };
    const headers = { Authorization: 'Bearer a-token-of-this-test' };
    const ask = (more: RequestInit = {}) => fetch(`${url}/v1/cluster/backup`, { method: 'POST', headers, ...more });
    expect((await ask({ headers: {} })).status).toBe(401);
    expect((await ask({ method: 'GET' })).status).toBe(405);
    const abort = new AbortController();
    const first = await ask({ signal: abort.signal });
    expect(first.headers.get('content-type')).toBe(backupMediaType);
    expect((await ask()).status).toBe(429);
    abort.abort();
    while (!isReleased) await new Promise((resolve) => setTimeout(resolve, 5));
    const abortAgain = new AbortController();
    expect((await ask({ signal: abortAgain.signal })).status).toBe(200);
    abortAgain.abort();
  });
});

describe('greenroom restore', () => {
  test.each([
    [['restore', 'nowhere', '--data', 'data'], 2, 'is no directory'],
    [['restore', 'nowhere'], 2, "required option '--data <directory>'"],
    [['restore', 'nowhere', '--data', 'data', '--node', 'a b'], 2, 'node'],
  ])('refuses %j', async (args, exitCode, message) => {
    const result = await run(args, { cwd: temporaryDirectory() });
    expect(result.exitCode).toBe(exitCode);
    expect(result.error).toContain(message);
  });
});
