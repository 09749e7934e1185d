/** Three nodes as processes: founded, joined, killed, brought back, drained and removed, with the commands of a user. */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ensureBuilt } from './built.ts';
import { directoryWith, greenroom, type Spawned, until, untilThreeVote } from './spawned.ts';

beforeAll(ensureBuilt);

const waitMs = 90_000;

interface Running {
  readonly name: string;
  readonly cluster: string;
  readonly http: string;
  readonly process: Spawned;
}

class Terminals {
  readonly cwd = directoryWith({
    secret: 'a secret of more than sixteen bytes',
    other: 'another one of them, as long',
  });

  /** `greenroom start`, on free ports unless it has some from before. */
  async start(
    name: string,
    args: readonly string[] = [],
    ports = ['--port', '0', '--http-port', '0'],
  ): Promise<Running> {
    const process = this.spawn(name, args, ports);
    const { cluster, http } = await process.isReady();
    return { name, cluster, http, process };
  }

  spawn(name: string, args: readonly string[], ports = ['--port', '0', '--http-port', '0']): Spawned {
    return greenroom(
      ['start', 'actors.ts', '--node', name, '--data', join('data', name), '--shards', '16', ...ports, ...args],
      this.cwd,
    );
  }

  again({ name, cluster, http }: Running): Promise<Running> {
    return this.start(name, [], ['--port', cluster.split(':')[1]!, '--http-port', new URL(http).port]);
  }

  async trio(): Promise<[Running, Running, Running]> {
    const a = await this.start('a');
    const others = await Promise.all([this.start('b', ['--join', a.cluster]), this.start('c', ['--join', a.cluster])]);
    await this.settles(a.http, 3);
    await untilThreeVote(a.http);
    return [a, ...(others as [Running, Running])];
  }

  async run(node: Running, ...args: string[]): Promise<{ out: string; error: string; code: number | null }> {
    const process = greenroom([...args, '--url', node.http], this.cwd);
    const { code } = await process.ended;
    return { out: process.out, error: process.error, code };
  }

  async json(node: Running, ...args: string[]): Promise<Record<string, any>> {
    return JSON.parse((await this.run(node, ...args, '--json')).out);
  }

  /** Waits until so many members are up, every shard is served, and each member owns some. */
  settles(http: string, up: number): Promise<true> {
    return until('the cluster to settle', async () => {
      const { members } = (await (await fetch(`${http}/v1/cluster`)).json()) as any;
      const { shards } = (await (await fetch(`${http}/v1/cluster/shards`)).json()) as any;
      const there = members.filter((each: any) => each.status === 'up');
      const isEven = there.length === up && there.every((each: any) => each.shardsOwned > 0);
      const isWhole = shards.every((each: any) => each.status === 'active' && each.replicas.length >= Math.min(up, 3));
      return isEven && isWhole ? true : undefined;
    });
  }
}

async function ownerOf(http: string, id: string): Promise<string> {
  return ((await (await fetch(`${http}/v1/actors/Counter/${id}`)).json()) as { node: string }).node;
}

describe('three nodes started by hand', () => {
  test('serve every actor through each, survive the kill of an owner, and take it back', {
    timeout: waitMs,
  }, async () => {
    const terminals = new Terminals();
    const trio = await terminals.trio();
    for (const [i, node] of trio.entries()) {
      expect(await terminals.run(node, 'call', 'Counter', 'hits', 'add', '1')).toMatchObject({ out: `${i + 1}\n` });
    }
    const name = await ownerOf(trio[0].http, 'hits');
    const owner = trio.find((each) => each.name === name)!;
    const others = trio.filter((each) => each !== owner);
    owner.process.signal('SIGKILL');
    await owner.process.ended;
    const killedMs = performance.now();
    const answer = await fetch(`${others[0]!.http}/v1/actors/Counter/hits/get`, { method: 'POST' });
    expect(await answer.json()).toBe(3);
    expect(performance.now() - killedMs).toBeLessThan(4_000);

    const { members } = await terminals.json(others[1]!, 'members');
    expect(members.find((each: any) => each.node === name)).toMatchObject({ status: 'down', shardsOwned: 0 });
    const status = await terminals.run(others[0]!, 'status');
    expect(status.out).toMatch(/^copies +16 of 16 shards are under-replicated: 16 with 2 of 3$/m);
    expect(status.out).toMatch(/^ready +yes$/m);
    expect((await terminals.json(others[0]!, 'shards', '--owner', name)).shards).toEqual([]);
    expect((await terminals.json(others[0]!, 'shards', '--troubled')).shards).toHaveLength(16);

    await terminals.again(owner);
    await terminals.settles(owner.http, 3);
    expect(await terminals.run(owner, 'call', 'Counter', 'hits', 'add', '1')).toMatchObject({ out: '4\n' });
    expect(
      await until('all copies', async () => {
        const { out } = await terminals.run(owner, 'status');
        return /^copies +3 of each shard$/m.exec(out)?.[0];
      }),
    ).toBeTruthy();
  });

  test('a fourth takes shards, one is drained, one is removed', { timeout: waitMs }, async () => {
    const terminals = new Terminals();
    const [a, b, c] = await terminals.trio();
    await terminals.run(a, 'call', 'Counter', 'hits', 'add', '5');
    const d = await terminals.start('d', ['--join', `${b.cluster},${c.cluster}`]);
    await terminals.settles(a.http, 4);
    expect(await terminals.run(d, 'call', 'Counter', 'hits', 'get')).toMatchObject({ out: '5\n' });

    expect(await terminals.run(a, 'drain', 'dd')).toMatchObject({
      code: 1,
      error: expect.stringMatching(/there is no member 'dd'; there is a, b, c, d \(NOT_FOUND\)\ndid you mean d\?/),
    });
    const drained = await terminals.run(a, 'drain', 'b');
    expect(drained).toMatchObject({ code: 0, error: expect.stringContaining('b has left the cluster') });
    const { members } = await terminals.json(a, 'members');
    expect(members.map((each: any) => each.node)).toEqual(['a', 'c', 'd']);
    expect((await terminals.json(a, 'shards')).shards.filter((each: any) => each.replicas.includes('b'))).toEqual([]);

    expect(await terminals.run(a, 'remove', 'c')).toMatchObject({ code: 2, error: expect.stringContaining('--yes') });
    expect(await terminals.run(a, 'remove', 'c', '--yes')).toMatchObject({
      code: 1,
      error: expect.stringContaining('c is up: drain it, or stop it first'),
    });
    c.process.signal('SIGKILL');
    await c.process.ended;
    await until('c to be down', async () => {
      const view = await terminals.json(a, 'members');
      return view.members.find((each: any) => each.node === 'c')?.status === 'down' ? true : undefined;
    });
    expect(await terminals.run(a, 'remove', 'c', '--yes')).toMatchObject({ code: 0 });
    expect((await terminals.json(a, 'members')).members.map((each: any) => each.node)).toEqual(['a', 'd']);
    expect(await terminals.run(d, 'call', 'Counter', 'hits', 'get')).toMatchObject({ out: '5\n' });
  });

  test('one that starts again at another address is found there, though it had seen little of its cluster', {
    timeout: waitMs,
  }, async () => {
    const terminals = new Terminals();
    const a = await terminals.start('a');
    const b = await terminals.start('b', ['--join', a.cluster]);
    b.process.signal('SIGTERM');
    await b.process.ended;
    const again = await terminals.start('b');
    expect(again.cluster).not.toBe(b.cluster);
    await terminals.settles(a.http, 2);
    const { members } = await terminals.json(a, 'members');
    expect(members.find((each: any) => each.node === 'b')).toMatchObject({ status: 'up', address: again.cluster });
  });

  test('the one that is left says why it serves nothing, and serves when another is back', {
    timeout: waitMs,
  }, async () => {
    const terminals = new Terminals();
    const [a, b, c] = await terminals.trio();
    for (const each of [b, c]) {
      each.process.signal('SIGKILL');
      await each.process.ended;
    }
    const reason = await until('it to notice', async () => {
      const answer = await fetch(`${a.http}/readyz`);
      const { detail } = (await answer.json()) as { detail?: string };
      return answer.status === 503 && detail?.includes('cut off') ? detail : undefined;
    });
    expect(reason).toContain('of 3 members it does not reach b, c');
    const cluster = (await (await fetch(`${a.http}/v1/cluster`)).json()) as any;
    expect(cluster).toMatchObject({ leader: null, replicas: 3, protocol: 1 });
    expect(cluster.members.map((each: any) => each.reachable)).toEqual([true, false, false]);
    const { shards } = await terminals.json(a, 'shards');
    expect(shards.every((each: any) => each.status === 'stopped')).toBe(true);
    const call = await terminals.run(a, 'call', 'Counter', 'hits', 'get', '--timeout', '1s');
    expect(call.out).toBe('');
    expect([3, 4]).toContain(call.code);
    await terminals.again(b);
    await until('it to serve', async () => ((await fetch(`${a.http}/readyz`)).ok ? true : undefined));
    expect(await terminals.run(a, 'call', 'Counter', 'hits', 'add', '1')).toMatchObject({ out: '1\n' });
  });
});

describe('a node that may not join', () => {
  test('says why, and what to do', { timeout: waitMs }, async () => {
    const terminals = new Terminals();
    const a = await terminals.start('a', ['--secret-file', 'secret']);
    const join = ['--join', a.cluster];
    const refused = async (name: string, ...args: string[]) => {
      const node = greenroom(
        ['start', 'actors.ts', '--node', name, '--data', folderOf(name), '--port', '0', '--http-port', '0', ...args],
        terminals.cwd,
      );
      const { code } = await node.ended;
      return { code, out: node.out, error: node.error };
    };
    const folderOf = (name: string) => `data/refused-${name}`;
    const secret = ['--secret-file', 'secret'];
    const [otherShards, wrongSecret, noSecret, namesake] = await Promise.all([
      refused('b', ...join, ...secret, '--shards', '32'),
      refused('c', ...join, '--secret-file', 'other'),
      refused('d', ...join),
      refused('a', ...join, ...secret),
    ]);
    expect(otherShards).toMatchObject({
      code: 2,
      out: '',
      error: expect.stringContaining('the cluster was founded with 16, for good: leave --shards out, or give 16'),
    });
    for (const each of [wrongSecret, noSecret])
      expect(each).toMatchObject({ code: 2, error: expect.stringContaining('do not agree on the cluster secret') });
    expect(namesake).toMatchObject({
      code: 1,
      error: expect.stringContaining(
        "a node named 'a' is running in the cluster already: give this one another --node",
      ),
    });
  });

  test('waits for a member, and gives up with exit code 3', { timeout: waitMs }, async () => {
    const terminals = new Terminals();
    const node = terminals.spawn('b', ['--join', '127.0.0.1:9']);
    await node.says(/waits for a member to join/);
    expect((await node.ended).code).toBe(3);
    expect(node.error).toMatch(/no member of a cluster answered for 30 s\. No process listens at 127\.0\.0\.1:9\./);
  });

  test('a used directory goes on in its own cluster, whatever --join says', { timeout: waitMs }, async () => {
    const terminals = new Terminals();
    const a = await terminals.start('a');
    const id = (await terminals.json(a, 'status')).clusterId;
    a.process.signal('SIGTERM');
    await a.process.ended;
    const again = await terminals.start('a', ['--join', '127.0.0.1:9']);
    expect((await terminals.json(again, 'status')).clusterId).toBe(id);
  });
});
