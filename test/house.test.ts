/**
 * The walls of the house (ARCHITECTURE.md says why they stand where they stand). Imports are read with TypeScript's
 * own parser, so that a comment or a text cannot fool it either way.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Imports point to what stands further left. What shares a place does not import each other. */
const order = [['core'], ['persistence', 'transport'], ['actors'], ['cluster'], ['http']];
/** Puts the parts together, or drives them from outside; nothing of the above imports these. */
const onTop = ['start-node.ts', 'member-store.ts', 'salvage.ts', 'index.ts', 'testing', 'bench', 'cli'];
/** Runs in browsers, too: of the rest of the house it may know types only. */
const client = 'client';

/** Where time, chance, the process, files and sockets are real, and why. Everything else gets them handed in. */
const drivers: Readonly<Record<string, string>> = {
  'cluster/system-clock.ts': 'the real clock and the real randomness',
  'cluster/cluster-address.ts': 'holds the port of the cluster socket',
  'cluster/credentials.ts': 'asks TLS whether certificate and key fit',
  'cluster/pulse-thread.ts': 'starts a thread with a UDP socket, and counts the turns of the main loop',
  'persistence/backup/backup-folder.ts': 'a backup is a folder',
  'persistence/backup/restore-backup.ts': 'makes a data directory',
  'persistence/check-files.ts': 'looks at the store’s files while it is closed',
  'persistence/level-journal.ts': 'the journal on LevelDB',
  'persistence/leveldb-manifest.ts': 'reads LevelDB’s own files',
  'persistence/linked-copy.ts': 'copies a store by hard links',
  'persistence/memory-journal.ts': 'defers to the event loop unless it is told otherwise',
  'persistence/open-copy.ts': 'copies a store to look into it',
  'persistence/open-store.ts': 'opens the LevelDB',
  'persistence/salvage-rows.ts': 'reads LevelDB’s own files',
  'persistence/salvage-store.ts': 'makes a data directory',
  'persistence/store-directory.ts': 'the store’s directory and what marks it',
  'persistence/store-lock.ts': 'one process per store',
  'persistence/verify.ts': 'verifies a store’s files',
  'persistence/watermark.ts': 'a file beside the database',
  'transport/proof.ts': 'nonces and proofs come from the system’s cryptography',
  'transport/websocket-channel.ts': 'one dialled WebSocket',
  'transport/websocket-link.ts': 'dials again after a while',
  'transport/websocket-listener.ts': 'the cluster’s port',
  'transport/websocket-transport.ts': 'puts links, listener and the turns of the event loop together',
  'http/': 'HTTP is sockets',
  'client/environment.ts': 'fetch, timers and randomness of whatever it runs in',
  'cli/': 'the command line is a process: terminal, files, children',
  'bench/': 'measures real time on a real machine',
  'member-store.ts': 'waits for a cluster to join',
  'start-node.ts': 'puts the drivers together',
  'testing/journal-suite.ts': 'runs against real stores, and waits for them',
  'testing/simulation/drain.ts': 'lets the real event loop run empty between two events of a simulated world',
  'testing/virtual-clock.ts': 'defers to the event loop unless it is told otherwise',
};

/** Modules of Node that only compute. */
const computing = new Set(['node:assert/strict', 'node:buffer', 'node:path', 'node:url', 'node:util', 'node:zlib']);
/** Packages that only compute. */
const computingPackages = new Set(['croner', 'hashring', 'msgpackr']);
const forbiddenGlobals = new Set([
  'process',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'performance',
  'fetch',
  'WebSocket',
  'crypto',
]);
const forbiddenMembers = new Set(['Date.now', 'Math.random']);

const linesMax = 500;
/** Longer than that when this wall was built. They may shrink; none may grow and none may join. */
const longFiles: Readonly<Record<string, number>> = {
  'actors/activation.ts': 680,
  'actors/actor-host.ts': 820,
  'persistence/level-journal.ts': 650,
  'testing/journal-suite.ts': 850,
};

interface Import {
  /** A path in src, or a module's name. */
  readonly target: string;
  readonly isType: boolean;
}

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  /** What it uses that only drivers may. */
  readonly io: readonly string[];
  readonly hasDefaultExport: boolean;
}

const sources = filesIn('src', /\.ts$/).map((path) => parse(path.slice('src/'.length)));

test('imports point left: core ← persistence, transport ← actors ← cluster ← http ← cli', () => {
  const wrong: string[] = [];
  for (const { path, imports } of sources) {
    for (const { target, isType } of imports) {
      if (target.startsWith('node:') || !isInSource(target)) continue;
      const [from, to] = [placeOf(path), placeOf(target)];
      if (from === to || onTop.includes(from)) continue;
      const isFine = from === client ? to === 'core' || isType : levelOf(to) < levelOf(from);
      if (!isFine) wrong.push(`${path} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('nothing in the house is built on the test kit', () => {
  const wrong = sources.filter(
    ({ path, imports }) =>
      !['testing', 'bench', 'cli', 'index.ts'].includes(placeOf(path)) &&
      imports.some(({ target, isType }) => target.startsWith('testing/') && !isType),
  );
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

describe('time, chance, the process, files and sockets', () => {
  test('are real in drivers only', () => {
    const wrong = sources.filter(({ path, io }) => io.length > 0 && driverOf(path) === undefined);
    expect(wrong.map(({ path, io }) => `${path}: ${io.join(', ')}`)).toEqual([]);
  });

  test('and a file that no longer needs them is no longer called a driver', () => {
    const used = new Set(sources.filter(({ io }) => io.length > 0).map(({ path }) => driverOf(path)));
    expect(Object.keys(drivers).filter((driver) => !used.has(driver))).toEqual([]);
  });
});

test('a file is a concept: no utils, helpers, common, misc or manager', () => {
  const vague = /(^|[-./])(utils?|helpers?|common|misc|managers?)([-./]|$)/i;
  const all = ['src', 'test', 'examples', 'bench', 'bin'].flatMap((folder) => filesIn(folder, /\.[cm]?[jt]s$/));
  expect(all.filter((path) => vague.test(path))).toEqual([]);
});

test('every file begins by saying what it is', () => {
  const silent = sources.filter(({ text }) => !text.startsWith('/**'));
  expect(silent.map(({ path }) => path)).toEqual([]);
});

test('files stay small', () => {
  const long = sources
    .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
    .filter(({ path, lines }) => lines > (longFiles[path] ?? linesMax));
  expect(long).toEqual([]);
});

test('exports have names', () => {
  expect(sources.filter(({ hasDefaultExport }) => hasDefaultExport).map(({ path }) => path)).toEqual([]);
});

test('nothing is left to be done, and no path of a machine is written down', () => {
  // In pieces, so that this file does not find itself.
  const leftOver = new RegExp(`\\b(${['TO', 'FIX'].map((word, i) => word + ['DO', 'ME'][i]).join('|')})\\b`);
  const machine = new RegExp(
    `(^|[\\s'"\`(=])/(${['wo', 'ro', 'ho', 'Us'].map((word, i) => word + ['rk', 'ot', 'me', 'ers'][i]).join('|')})/\\w`,
    'm',
  );
  const wrong: string[] = [];
  for (const folder of ['src', 'test', 'examples', 'bench', 'bin', 'docs', 'dashboard', '.']) {
    for (const path of filesIn(folder, /\.(ts|js|mjs|md|json|html|css|c)$/)) {
      const text = readFileSync(join(root, path), 'utf8');
      if (leftOver.test(text) || machine.test(text)) wrong.push(path);
    }
  }
  expect(wrong).toEqual([]);
});

test('the lock file works with every registry', () => {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  expect(lock.match(/"resolved": "https?:/g)).toBeNull();
});

/** Files of a folder and those below it; of the root itself only. Paths from the root. */
function filesIn(folder: string, pattern: RegExp): string[] {
  const isRoot = folder === '.';
  let entries: string[];
  try {
    entries = readdirSync(join(root, folder), { recursive: !isRoot, encoding: 'utf8' });
  } catch {
    return [];
  }
  return entries
    .filter((path) => pattern.test(path) && !/(^|\/)(node_modules|dist|vendor|coverage|results)\//.test(path))
    .map((path) => (isRoot ? path : `${folder}/${path}`))
    .sort();
}

/** A folder in src, or a file directly in it. */
function placeOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path;
}

function isInSource(target: string): boolean {
  return target.endsWith('.ts');
}

function levelOf(place: string): number {
  const level = order.findIndex((places) => places.includes(place));
  return level >= 0 ? level : Number.POSITIVE_INFINITY;
}

function driverOf(path: string): string | undefined {
  return Object.keys(drivers).find((driver) => (driver.endsWith('/') ? path.startsWith(driver) : path === driver));
}

function parse(path: string): SourceFile {
  const text = readFileSync(join(root, 'src', path), 'utf8');
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: Import[] = [];
  const io: string[] = [];
  let hasDefaultExport = false;
  const visit = (node: ts.Node): void => {
    const imported = importOf(node, path);
    if (imported) {
      imports.push(imported);
      if (!imported.isType && doesIo(imported.target)) io.push(imported.target);
    }
    const used = globalUsed(node);
    if (used) io.push(used);
    if (ts.isExportAssignment(node) || (ts.canHaveModifiers(node) && hasModifier(node, ts.SyntaxKind.DefaultKeyword))) {
      hasDefaultExport = true;
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { path, text, imports, io, hasDefaultExport };
}

function importOf(node: ts.Node, path: string): Import | undefined {
  const found = moduleOf(node);
  if (!found) return undefined;
  const { module, isType } = found;
  if (!module.startsWith('.')) return { target: module, isType };
  return { target: relative(join(root, 'src'), resolve(root, 'src', path, '..', module)), isType };
}

function moduleOf(node: ts.Node): { module: string; isType: boolean } | undefined {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    const clause = node.importClause;
    const named = clause?.namedBindings && ts.isNamedImports(clause.namedBindings) ? clause.namedBindings.elements : [];
    const onlyTypes = named.length > 0 && !clause?.name && named.every(({ isTypeOnly }) => isTypeOnly);
    const isType = clause?.phaseModifier === ts.SyntaxKind.TypeKeyword || onlyTypes;
    return { module: node.moduleSpecifier.text, isType };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
    return { module: node.moduleSpecifier.text, isType: node.isTypeOnly };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [module] = node.arguments;
    return module && ts.isStringLiteral(module) ? { module: module.text, isType: false } : undefined;
  }
  return undefined;
}

function doesIo(target: string): boolean {
  if (isInSource(target)) return false;
  return !computing.has(target) && !computingPackages.has(target);
}

function globalUsed(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const member = `${node.expression.text}.${node.name.text}`;
    if (forbiddenMembers.has(member)) return member;
  }
  if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'Date') {
    if (!node.arguments?.length) return 'new Date()';
  }
  if (!ts.isIdentifier(node) || !forbiddenGlobals.has(node.text)) return undefined;
  const { parent } = node;
  const isName =
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    ((ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isParameter(parent) ||
      ts.isVariableDeclaration(parent) ||
      ts.isBindingElement(parent)) &&
      parent.name === node) ||
    ts.isTypeNode(parent) ||
    ts.isImportSpecifier(parent);
  return isName ? undefined : node.text;
}

function hasModifier(node: ts.HasModifiers, kind: ts.SyntaxKind): boolean {
  return ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false;
}
