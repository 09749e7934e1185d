/** Builds the package if its sources are newer than what was built, once, however many test files ask. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const lock = `${root}node_modules/.greenroom-build-lock`;
const waitMax = 600;
const waitMs = 100;

/** The program to spawn. */
export const program = `${root}bin/greenroom.js`;

export async function ensureBuilt(): Promise<void> {
  for (let waited = 0; !isBuilt(); waited++) {
    if (waited > waitMax) throw new Error(`another build seems to hang; if there is none, remove ${lock}`);
    try {
      mkdirSync(lock);
    } catch {
      await sleep(waitMs);
      continue;
    }
    try {
      await promisify(execFile)('npm', ['run', 'build'], { cwd: root });
    } finally {
      rmdirSync(lock);
    }
    return;
  }
}

function isBuilt(): boolean {
  const built = `${root}dist/cli/main.js`;
  if (!existsSync(built)) return false;
  const builtMs = statSync(built).mtimeMs;
  const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' });
  return sources.every((file) => !file.endsWith('.ts') || statSync(`${root}src/${file}`).mtimeMs <= builtMs);
}
