import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { compileShim, PowerCut } from './power-cut.ts';

const directory = mkdtempSync(join(tmpdir(), 'greenroom-power-cut-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const library = compileShim(directory);

/** A disk, and processes that use it: each runs a body with `fs`, and `write(name, text, isSynced)`, which appends. */
function disk(name: string) {
  const data = join(directory, name);
  mkdirSync(data);
  const power = new PowerCut(library!, join(directory, `${name}.shim`));
  const run = (body: string): void => {
    const write =
      'const write = (name, text, isSynced) => { const file = fs.openSync(name, "a"); fs.writeSync(file, text); if (isSynced) fs.fsyncSync(file); fs.closeSync(file); };';
    const { status, stderr } = spawnSync(process.execPath, ['-e', `const fs = require("fs"); ${write} ${body}`], {
      cwd: data,
      env: { ...process.env, ...power.env },
    });
    expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: '' });
  };
  return { run, cut: () => power.cut(data), text: (file: string) => readFileSync(join(data, file), 'utf8') };
}

test.skipIf(library === undefined)('what was synced stays, and what was written after it is lost', () => {
  const { run, cut, text } = disk('after');
  run('write("log", "synced", true); write("log", "not", false); write("never", "lost", false)');
  expect(cut()).toBe(7);
  expect([text('log'), text('never')]).toEqual(['synced', '']);
});

test.skipIf(library === undefined)(
  'what one process left unsynced is lost also if the next one dies of the cut',
  () => {
    const { run, cut, text } = disk('lives');
    run('write("log", "one", true); write("log", "two", false)');
    run('write("other", "three", true)');
    expect(cut()).toBe(3);
    expect([text('log'), text('other')]).toEqual(['one', 'three']);
  },
);

test.skipIf(library === undefined)('a sync holds for what the file is called later', () => {
  const { run, cut, text } = disk('names');
  run('write("CURRENT.new", "synced", true); fs.renameSync("CURRENT.new", "CURRENT")');
  expect(cut()).toBe(0);
  expect(text('CURRENT')).toBe('synced');
});

test.skipIf(library === undefined)('a new file is not taken for the one whose inode it got', () => {
  const { run, cut, text } = disk('inodes');
  run('write("a", "synced", true); fs.rmSync("a"); write("b", "lost", false)');
  expect(cut()).toBe(4);
  expect(text('b')).toBe('');
});
