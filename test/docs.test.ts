/**
 * Every TypeScript block in the documents compiles, against the sources and with the house's own settings. A block
 * is a module of its own, in the folder of its document.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const documents = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);

interface Block {
  readonly document: string;
  /** Of its first line of code, from 1. */
  readonly line: number;
  readonly code: string;
}

test('every TypeScript block in the documents compiles', { timeout: 120_000 }, () => {
  const blocks = new Map(
    documents.flatMap(blocksOf).map((block) => [join(root, `${block.document}.${block.line}.ts`), block]),
  );
  expect(blocks.size).toBeGreaterThan(10);
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config,
    ts.sys,
    root,
  );
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => blocks.has(path) || fileExists(path);
  host.readFile = (path) => blocks.get(path)?.code ?? readFile(path);
  host.getSourceFile = (path, target) => {
    const block = blocks.get(path);
    return block ? ts.createSourceFile(path, block.code, target) : getSourceFile(path, target);
  };
  const program = ts.createProgram([...blocks.keys()], options, host);
  const problems: string[] = [];
  for (const [path, { document, line }] of blocks) {
    const file = program.getSourceFile(path);
    for (const { start = 0, messageText } of [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ]) {
      const at = line + (file?.getLineAndCharacterOfPosition(start).line ?? 0);
      problems.push(`${document}:${at} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
    }
  }
  expect(problems).toEqual([]);
});

test('links between the documents lead somewhere', () => {
  const broken: string[] = [];
  for (const document of documents) {
    const folder = document.includes('/') ? join(root, 'docs') : root;
    const text = readFileSync(join(root, document), 'utf8');
    for (const [, target] of text.matchAll(/\]\((?!https?:|mailto:|#)([^)\s#]+)[^)]*\)/g)) {
      if (!ts.sys.fileExists(join(folder, target!)) && !ts.sys.directoryExists(join(folder, target!))) {
        broken.push(`${document}: ${target}`);
      }
    }
  }
  expect(broken).toEqual([]);
});

function blocksOf(document: string): Block[] {
  const text = readFileSync(join(root, document), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => ({
    document,
    line: text.slice(0, match.index).split('\n').length + 1,
    // Without an import or an export it would be a script, whose names all blocks share.
    code: `${match[1]!}\nexport {};\n`,
  }));
}
