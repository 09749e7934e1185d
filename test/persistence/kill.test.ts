import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';
import { openAt, temporaryDirectory, tinyLimits } from './stores.ts';

const here = dirname(fileURLToPath(import.meta.url));
const jiti = join(dirname(createRequire(import.meta.url).resolve('jiti/package.json')), 'lib', 'jiti-cli.mjs');

test('everything that was told durable is there after kill -9, again and again', async () => {
  const parent = await temporaryDirectory();
  const directory = join(parent.path, 'data');
  const told = new Map<string, number>();
  try {
    for (const lines of [1, 300, 2_000]) {
      await appendAndKill(directory, lines, told);
      const journal = await openAt(directory, { limits: tinyLimits });
      for (const [place, chain] of told) {
        const [shard, position] = place.split(' ').map(Number);
        const row = journal.read(shard!, position!);
        assert.ok(row.type === 'record' && row.head.chain === chain, `${place} is ${row.type}`);
      }
      await journal.close();
    }
  } finally {
    await parent.remove();
  }
});

function appendAndKill(directory: string, lines: number, told: Map<string, number>): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [jiti, join(here, 'append-until-killed.ts'), directory]);
    let output = '';
    let errors = '';
    child.stderr.on('data', (chunk) => (errors += chunk));
    child.stdout.on('data', (chunk) => {
      output += chunk;
      if (output.split('\n').length > lines) child.kill('SIGKILL');
    });
    child.on('exit', (_code, signal) => {
      if (signal !== 'SIGKILL') reject(new Error(errors));
      for (const line of output.split('\n').slice(0, -1)) {
        const [shard, position, chain] = line.split(' ');
        told.set(`${shard} ${position}`, Number(chain));
      }
      resolve();
    });
  });
}
