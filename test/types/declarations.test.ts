/**
 * The package seen from outside: a project of its own, with the built declarations in its node_modules, compiles
 * actor classes with `declaration: true` (which has to name every inferred type, or fails with TS4094, TS4020 or
 * TS2742), and a second project compiles against what the first one emitted. Libraries are checked, too.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const require = createRequire(import.meta.url);

/** Aliases under which other compilers may be installed; those that are not are passed over. */
const compilers = ['typescript', 'typescript-5.9', 'typescript-7'].filter((name) =>
  existsSync(join(root, 'node_modules', name)),
);

const resolutions = {
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
};

let project = '';

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'greenroom-declarations-'));
  const installed = join(project, 'node_modules', 'greenroom');
  await mkdir(installed, { recursive: true });
  const build = ['-p', join(root, 'tsconfig.build.json'), '--emitDeclarationOnly', '--sourceMap', 'false'];
  const { stdout } = await compile('typescript', [...build, '--outDir', join(installed, 'dist')]);
  expect(stdout).toBe('');
  await cp(join(root, 'package.json'), join(installed, 'package.json'));
  await mkdir(join(project, 'node_modules', '@types'));
  for (const name of ['@types/node', 'undici-types']) {
    await symlink(join(root, 'node_modules', name), join(project, 'node_modules', name));
  }
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
  for (const file of await readdir(join(root, 'examples'))) {
    if (!file.endsWith('.test.ts')) await cp(join(root, 'examples', file), join(project, 'server', file));
  }
  await writeFile(join(project, 'server', 'inline.ts'), inlineClasses);
  await mkdir(join(project, 'browser'));
  await writeFile(join(project, 'browser', 'page.ts'), page);
  await writeFile(join(project, 'server', 'kit.ts'), kit);
}, 120_000);

afterAll(() => rm(project, { recursive: true, force: true }));

describe.each(compilers)('%s', (compiler) => {
  test.each(Object.entries(resolutions))(
    'declarations of actor classes name all their types (%s)',
    async (name, options) => {
      const emitted = join(project, `emitted-${compiler}-${name}`);
      await writeFile(
        join(project, 'tsconfig.server.json'),
        JSON.stringify({
          include: ['server'],
          compilerOptions: { ...strict, ...options, types: ['node'], rootDir: 'server', outDir: emitted },
        }),
      );
      expect((await compile(compiler, ['-p', join(project, 'tsconfig.server.json')])).stdout).toBe('');

      // What was emitted is good for whoever depends on it: here a page in a browser, without Node's types (which the
      // server's own declarations need, so libraries are not checked here).
      await writeFile(
        join(project, 'tsconfig.browser.json'),
        JSON.stringify({
          include: ['browser'],
          compilerOptions: {
            ...strict,
            ...options,
            types: [],
            skipLibCheck: true,
            noEmit: true,
            paths: { 'actors/*': [`${emitted}/*`] },
          },
        }),
      );
      expect((await compile(compiler, ['-p', join(project, 'tsconfig.browser.json')])).stdout).toBe('');
    },
  );
});

const strict = {
  target: 'es2022',
  lib: ['es2023', 'dom', 'dom.iterable'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  declaration: true,
  skipLibCheck: false,
  rewriteRelativeImportExtensions: true,
};

async function compile(compiler: string, options: readonly string[]): Promise<{ stdout: string }> {
  const tsc = join(dirname(require.resolve(`${compiler}/package.json`)), 'bin', 'tsc');
  return run(process.execPath, [tsc, ...options, '--pretty', 'false'], { cwd: project || root }).catch(
    (error: { stdout: string }) => ({ stdout: error.stdout || String(error) }),
  );
}

const inlineClasses = `
import { type ActorClass, Actor, durableState, eventSourced, type EventOf, startNode, type StateOf } from 'greenroom';

/** Nothing has a name of its own here but the classes. */
export class Inline extends eventSourced({
  initialState: () => ({ list: [] as { deep: { tags: string[] } }[], pair: [1, 'a'] as [number, string] }),
  events: {
    Added: (state, tags: string[]) => ({ ...state, list: [...state.list, { deep: { tags } }] }),
    Cleared: (state) => ({ ...state, list: [] }),
  },
  upcast: { Added: [(old: string) => [old]] },
}) {
  add(tags: string[]) {
    this.persist('Added', tags);
    return this.state;
  }
  async other() {
    return (await this.actor(Inline, 'other').add([])).list[0]?.deep;
  }
  ref() {
    this.tell(this.actor(Inline, 'x')).add(['y']);
    return this.state.pair;
  }
  protected helper = () => this.state.list;
}
export class Flag extends durableState({ initialState: (id) => ({ id, on: false }) }) {
  toggle() {
    this.save({ ...this.state, on: !this.state.on });
  }
}
export class Hits extends Actor {
  count = 0;
  hit() {
    return ++this.count;
  }
}
export class More extends Inline {
  more() {
    return this.add(['more']);
  }
}
export const classes: ActorClass[] = [Inline, Flag, Hits, More];
export const start = () => startNode({ actors: classes });
export const ask = async () => (await start()).actor(More, 'x').more();
export type Event = EventOf<Inline>;
export type State = StateOf<Flag>;
`;

const kit = `
import { given, startTestNode } from 'greenroom/testing';
import { Flag, Inline } from './inline.ts';

export const outcome = given(Inline, [{ type: 'Added', data: ['a'] }, { type: 'Cleared' }]).when('add', ['b']);
export const scene = given(Flag, { id: 'x', on: true });
export const node = startTestNode({ actors: [Inline, Flag] });
`;

const page = `
import type { Inline } from 'actors/inline.js';
import type { ShoppingCart } from 'actors/shopping-cart.js';
import { connect } from 'greenroom/client';

const client = connect('http://127.0.0.1:8400');
export const left: Promise<number> = client.actor<ShoppingCart>('ShoppingCart', 'alice').addItem({ sku: 'tea', quantity: 1 });
export const tags = client.actor<Inline>('Inline', 'x').add(['a']).then((state) => state.list[0]?.deep.tags[0]?.toUpperCase());
// @ts-expect-error wrong input
client.actor<ShoppingCart>('ShoppingCart', 'alice').addItem({ sku: 1 });
`;
