/** A browser can load the client: nothing it imports is Node's, and nothing is server code. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const source = fileURLToPath(new URL('../../src/', import.meta.url));

function valueImports(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const found: string[] = [];
  for (const [, kind, from] of text.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)';/gm)) {
    if (!kind) found.push(from!);
  }
  return found;
}

it('imports only the client’s own files and the core, and no module of Node', () => {
  const open = [join(source, 'client/index.ts')];
  const seen = new Set<string>();
  for (let file = open.pop(); file; file = open.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const specifier of valueImports(file)) {
      expect(specifier, `${relative(source, file)} imports`).toMatch(/^\.\.?\//);
      open.push(join(dirname(file), specifier));
    }
  }
  const folders = new Set([...seen].map((file) => relative(source, file).split('/')[0]));
  expect([...folders].sort()).toEqual(['client', 'core']);
  for (const file of seen) expect(readFileSync(file, 'utf8')).not.toMatch(/\b(?:process|Buffer|require)\b[.(]/);
});
