import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ActorModulesError, commandsWithoutInput, loadActorModules } from '../../src/cli/actor-modules.ts';
import { Actor } from '../../src/index.ts';
import { temporaryDirectory } from './temporary.ts';

const counter = (name: string) => `
export class ${name} extends eventSourced({ initialState: () => 0, events: { Added: (n, by) => n + by } }) {
  add(by) { this.persist('Added', by); return this.state; }
  get() { return this.state; }
}`;

function directoryWith(files: Record<string, string>): string {
  const directory = temporaryDirectory();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
  return directory;
}

async function namesOf(files: Record<string, string>, ...load: string[]): Promise<string[]> {
  const { actors } = await loadActorModules(load, directoryWith(files));
  for (const type of actors) expect(type.prototype).toBeInstanceOf(Actor);
  return actors.map(({ name }) => name);
}

async function refusal(files: Record<string, string>, ...load: string[]): Promise<ActorModulesError> {
  const error = await loadActorModules(load, directoryWith(files)).then(
    () => undefined,
    (error) => error,
  );
  expect(error).toBeInstanceOf(ActorModulesError);
  expect(error.exitCode).toBe(2);
  return error;
}

const importing = "import { Actor, eventSourced } from 'greenroom';";

describe('actor classes are found in', () => {
  test('TypeScript with types, enums and imports of other files, with and without extension', async () => {
    const files = {
      'actors.ts': `${importing}
        import { step } from './step.ts';
        import { other } from './other.js';
        import type { Gone } from './not-there';
        enum Kind { A, B }
        export class Typed extends eventSourced({ initialState: (): number => 0, events: { Added: (n, by: number) => n + by } }) {
          add(by: number): number { this.persist('Added', by * step * other + Kind.A); return this.state; }
        }`,
      'step.ts': 'export const step: number = 1;',
      'other.ts': 'export const other: number = 1;',
    };
    expect(await namesOf(files, 'actors.ts')).toEqual(['Typed']);
  });

  test.each([
    ['a.mts', `${importing}${counter('A')}`],
    ['a.mjs', `${importing}\nconst late = await Promise.resolve(1);${counter('A')}`],
    ['a.js', `${importing}${counter('A')}`],
    [
      'a.cjs',
      `const { eventSourced } = require('greenroom');${counter('A').replace('export class', 'exports.A = class')}`,
    ],
    ['a.cjs', `const { Actor } = require('greenroom'); module.exports = class A extends Actor { get() {} };`],
    ['a.ts', `${importing} export default class A extends Actor { get() {} }`],
    ['a.ts', `${importing} class A extends Actor { get() {} } export const actors = [A]; export { A };`],
  ])('%s: %s', async (name, content) => {
    expect(await namesOf({ [name]: content }, name)).toEqual(['A']);
  });

  test.each(['commonjs', 'module'])('a package of type %s', async (type) => {
    const files = { 'package.json': JSON.stringify({ type }), 'a.ts': `${importing}${counter('A')}` };
    expect(await namesOf(files, 'a.ts')).toEqual(['A']);
  });

  test('several files, each class once', async () => {
    const files = {
      'a.ts': `${importing}${counter('A')}`,
      'b.ts': `${importing} export { A } from './a.ts';${counter('B')}`,
    };
    expect(await namesOf(files, 'a.ts', 'b.ts', './a.ts')).toEqual(['A', 'B']);
  });

  test('files that use the client and the test kit of this installation', async () => {
    const content = `${importing} import { connect, GreenroomError } from 'greenroom/client'; import { given } from 'greenroom/testing';
      import { GreenroomError as Same } from 'greenroom';
      if (typeof connect !== 'function' || typeof given !== 'function' || GreenroomError !== Same) throw new Error('another copy');
      ${counter('A')}`;
    expect(await namesOf({ 'a.ts': content }, 'a.ts')).toEqual(['A']);
  });
});

describe('refused with file and line is', () => {
  test('a file that is not there', async () => {
    expect((await refusal({}, 'not-there.ts')).message).toContain('not-there.ts: there is no such file');
  });

  test('a directory', async () => {
    expect((await refusal({ 'src/a.ts': '' }, 'src')).hint).toContain('src/*.ts');
  });

  test('a syntax error', async () => {
    const { message, files } = await refusal({ 'a.ts': 'type X = {\n  a: string;\n};\nexport class { }\n' }, 'a.ts');
    expect(message).toMatch(/a\.ts:4:\d+: syntax error/);
    expect(files[0]).toMatch(/a\.ts$/);
  });

  test('a syntax error in a file that is imported', async () => {
    const files = { 'a.ts': "import { x } from './deep/b.ts';\nconsole.log(x);", 'deep/b.ts': '\nexport const = 1;' };
    const { message, files: read } = await refusal(files, 'a.ts');
    expect(message).toMatch(/deep\/b\.ts:2:\d+: syntax error/);
    expect(read.map((path) => path.split('/').at(-1))).toEqual(expect.arrayContaining(['a.ts', 'b.ts']));
  });

  test('a module that throws', async () => {
    const files = {
      'a.ts': `import './b.ts';`,
      'b.ts': 'type X = {\n  a: string;\n};\nconst x = undefined as any;\nx.y();',
    };
    const { message } = await refusal(files, 'a.ts');
    expect(message).toMatch(/b\.ts:5:\d+: TypeError: Cannot read properties/);
    expect(message).toContain('5 | x.y();');
  });

  test('a module that throws something that is no error', async () => {
    expect((await refusal({ 'a.ts': `throw 'nothing';` }, 'a.ts')).message).toContain('threw "nothing"');
  });

  test('an import that is not there, with the file that imports it', async () => {
    const local = await refusal({ 'a.ts': `\nimport { x } from './gone.ts';\nconsole.log(x);` }, 'a.ts');
    expect(local.message).toMatch(/a\.ts.*it imports '.*gone\.ts', which is not there/);
    const foreign = await refusal({ 'a.ts': `import { x } from 'no-such-package';\nconsole.log(x);` }, 'a.ts');
    expect(foreign.message).toMatch(/a\.ts.*it imports 'no-such-package', which is not there; is it installed\?/);
  });

  test('a file without an actor class', async () => {
    expect((await refusal({ 'a.ts': 'export const x = 1;' }, 'a.ts')).message).toBe('a.ts exports no actor class');
    expect((await refusal({ 'a.ts': `${importing}${counter('A').replace('export ', '')}` }, 'a.ts')).hint).toContain(
      'export',
    );
    expect((await refusal({ 'a.ts': '' }, 'a.ts')).message).toContain('no actor class');
  });

  test('a second class of the same name', async () => {
    const files = { 'a.ts': `${importing}${counter('A')}`, 'b.ts': `${importing}${counter('A')}` };
    expect((await refusal(files, 'a.ts', 'b.ts')).message).toBe(
      'two actor classes are named A: one in a.ts, one in b.ts',
    );
  });

  test('a class of another copy of greenroom', async () => {
    const files = {
      'a.ts':
        'class Base { static model = { initialState: () => 0, events: {} }; }\nexport class A extends Base { get() {} }',
    };
    expect((await refusal(files, 'a.ts')).message).toContain('another copy of greenroom');
  });
});

test('commands without input are known, to suggest requests that work', async () => {
  const { actors } = await loadActorModules(['a.ts'], directoryWith({ 'a.ts': `${importing}${counter('A')}` }));
  expect(commandsWithoutInput(actors)).toEqual({ A: ['get'] });
});
