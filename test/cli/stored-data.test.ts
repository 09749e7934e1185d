/** `greenroom check` and `greenroom journal verify`, on the data of nodes that ran. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { progressText } from '../../src/cli/journal-command.ts';
import { durableState, eventSourced, startNode } from '../../src/index.ts';
import { hashOf } from '../persistence/stores.ts';
import { directoryWith } from './spawned.ts';
import { run } from './text-terminal.ts';

class Counter extends eventSourced({
  initialState: (): { sum: number } => ({ sum: 0 }),
  events: {
    Added: (state, by: number) => ({ sum: state.sum + by }),
    Reset: () => ({ sum: 0 }),
  },
  snapshotEvery: 5,
}) {
  add(by: number) {
    this.persist('Added', by);
    return this.state.sum;
  }
  reset() {
    this.persist('Reset');
  }
}

class Setting extends durableState({ initialState: (): string => '' }) {
  set(value: string) {
    this.save(value);
  }
}

const importing = "import { durableState, eventSourced } from 'greenroom';";
const setting =
  'export class Setting extends durableState({ initialState: () => "" }) { set(value) { this.save(value); } }';
/** The class of above as a user's file, with its handlers given. */
const counter = (events: string, options = '') =>
  `${importing}\nexport class Counter extends eventSourced({ initialState: () => ({ sum: 0 }), events: { ${events} }, ${options} }) { get() {} }\n`;
const added = 'Added: (state, by) => ({ sum: state.sum + by }),';
const reset = 'Reset: () => ({ sum: 0 }),';

/** A directory with `data` of a node that ran and stopped, and files. */
async function ran(files: Record<string, string>): Promise<string> {
  const cwd = directoryWith(files);
  const node = await startNode({ actors: [Counter, Setting], data: join(cwd, 'data'), port: 0, httpPort: false });
  for (const id of ['ann', 'ben']) for (let by = 1; by <= 3; by++) await node.actor(Counter, id).add(by);
  for (let by = 1; by <= 12; by++) await node.actor(Counter, 'cid').add(by);
  await node.actor(Counter, 'ben').reset();
  await node.actor(Setting, 'theme').set('dark');
  await node.close();
  return cwd;
}

const check = (cwd: string, ...more: string[]) => run(['check', 'new.ts', '--data', 'data', ...more], { cwd });

describe('greenroom check', () => {
  test('leaves the data as it is, and nothing beside it', async () => {
    const cwd = await ran({ 'new.ts': counter(added + reset) + setting });
    const before = await hashOf(join(cwd, 'data'));
    const names = readdirSync(cwd);
    expect((await check(cwd)).exitCode).toBe(0);
    expect((await check(cwd, '--sample', '1')).exitCode).toBe(0);
    expect(await hashOf(join(cwd, 'data'))).toBe(before);
    expect(readdirSync(cwd)).toEqual(names);
  });

  test('says that every history fits code that reads it', async () => {
    const cwd = await ran({ 'new.ts': counter(added + reset) + setting });
    const { exitCode, out, error } = await check(cwd);
    expect(out.split('\n')).toEqual([
      'TYPE\tACTORS\tREPLAYED\tEVENTS\tFAILED',
      'Counter\t3\t3\t19\t0',
      expect.stringMatching(/^Setting\t1\t1\t\d\t0$/),
    ]);
    expect({ exitCode, error }).toEqual({ exitCode: 0, error: 'every history fits this code' });
    expect((await check(cwd)).exitCode).toBe(0);
  });

  test('names actor, event and position of an event that the class has forgotten', async () => {
    const cwd = await ran({ 'new.ts': counter(added) + setting });
    const { exitCode, out } = await check(cwd);
    expect(exitCode).toBe(1);
    expect(out).toMatch(/Counter ben {2}event 4 Reset, position \d+\n.*unknown to this class/);
  });

  test('names one whose handler throws, also where a snapshot hides it', async () => {
    const cwd = await ran({
      'new.ts':
        counter(`Added: (state, by) => { if (by === 2) throw new Error('no twos'); return state; }, ${reset}`) +
        setting,
    });
    const { out } = await check(cwd, '--json');
    const { failures, types } = JSON.parse(out);
    expect(types[0]).toMatchObject({ type: 'Counter', failed: 3 });
    expect(failures[2]).toMatchObject({ id: 'cid', sequenceNumber: 2, event: 'Added', problem: 'no twos' });
  });

  test('names one whose handler makes a state that is no plain data', async () => {
    const cwd = await ran({ 'new.ts': counter(`Added: () => ({ sum: new Date() }), ${reset}`) + setting });
    expect((await check(cwd)).out).toContain('is a Date');
  });

  test('names one whose events lead elsewhere than its snapshot, until its snapshots are passed over', async () => {
    const doubled = `Added: (state, by) => ({ sum: state.sum + 2 * by }), ${reset}`;
    const cwd = await ran({
      'new.ts': counter(doubled) + setting,
      'raised.ts': counter(doubled, 'snapshotVersion: 2') + setting,
    });
    const { exitCode, out } = await check(cwd);
    expect(exitCode).toBe(1);
    expect(out).toMatch(/Counter cid .*\n.*raise snapshotVersion/);
    expect((await run(['check', 'raised.ts', '--data', 'data'], { cwd })).exitCode).toBe(0);
  });

  test('names types that no class serves', async () => {
    const cwd = await ran({ 'new.ts': counter(added + reset) });
    const { exitCode, out } = await check(cwd);
    expect(exitCode).toBe(1);
    expect(out).toContain('Setting: 1 record, and no class of that name');
  });

  test('replays a sample, the same one each time', async () => {
    const cwd = await ran({ 'new.ts': counter(added + reset) + setting });
    const { out, exitCode } = await check(cwd, '--sample', '2');
    expect(exitCode).toBe(0);
    expect(out).toContain('Counter\t3\t2\t');
    expect((await check(cwd, '--sample', '2')).out).toBe(out);
    expect((await check(cwd, '--sample', '0')).exitCode).toBe(2);
  });

  test('of a directory that holds no data ends with exit code 2, and changes nothing', async () => {
    const cwd = directoryWith({ 'new.ts': counter(added) });
    expect((await check(cwd)).exitCode).toBe(2);
    expect((await run(['check', 'new.ts', '--data', '.'], { cwd })).exitCode).toBe(2);
    expect(readdirSync(cwd).sort()).toEqual(['actors.ts', 'new.ts']);
  });
});

describe('greenroom journal verify', () => {
  const verify = (cwd: string, ...more: string[]) => run(['journal', 'verify', '--data', 'data', ...more], { cwd });

  test('says that everything verifies', async () => {
    const cwd = await ran({});
    const { exitCode, out } = await verify(cwd);
    expect(exitCode).toBe(0);
    expect(out).toContain('everything verifies');
    expect(JSON.parse((await verify(cwd, '--json')).out)).toMatchObject({ damages: [], records: expect.any(Number) });
  });

  test('ends with exit code 1 and what is damaged', async () => {
    const cwd = await ran({});
    const files = readdirSync(join(cwd, 'data/db')).filter((name) => name.endsWith('.ldb') || name.endsWith('.log'));
    const contents = files.map((name) => ({ name, bytes: readFileSync(join(cwd, 'data/db', name)) }));
    const { name, bytes } = contents.sort((a, b) => b.bytes.length - a.bytes.length)[0]!;
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(join(cwd, 'data/db', name), bytes);
    const { exitCode, out } = await verify(cwd);
    expect(exitCode).toBe(1);
    expect(out).toContain('ACTOR\tSHARD\tPOSITION\tFILE\tPROBLEM');
    expect(out).toContain(`db/${name}`);
    const json = await verify(cwd, '--json');
    expect(json.exitCode).toBe(1);
    expect(JSON.parse(json.out).damages.length).toBeGreaterThan(0);
  });

  test('of a directory that holds no data ends with exit code 2', async () => {
    expect((await verify(directoryWith())).exitCode).toBe(2);
    expect((await run(['journal', 'verify'])).exitCode).toBe(2);
    expect((await run(['journal', 'verfy'])).error).toContain('did you mean verify?');
  });

  test('draws how far it is', () => {
    expect(progressText({ step: 'files', done: 5, total: 10 })).toMatch(/^files +█{15}░{15} {2}50 %$/);
    expect(progressText({ step: 'records', done: 7, total: undefined })).toBe('records 7');
  });
});
