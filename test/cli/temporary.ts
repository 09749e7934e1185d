/** Directories for one test file, removed when it is over. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const made: string[] = [];

afterAll(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
});

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'greenroom-cli-'));
  made.push(directory);
  return directory;
}
