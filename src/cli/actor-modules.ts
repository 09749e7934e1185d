/**
 * Loads users' files of actor classes: TypeScript or JavaScript, as modules or CommonJS, without a build step (jiti).
 *
 * An actor class is known by its base class, so `greenroom` in a user's file must be the very module this process
 * runs, and not a copy that lies elsewhere. So those names are given to the loader as modules that are there already.
 *
 * Every class that a file exports counts: by name, as the default, or in an array.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { createJiti, type Jiti } from 'jiti';
import type { ActorClass } from '../actors/actor.ts';
import { actorTypeName } from '../actors/definition.ts';
import { CommandLineError, exitCodes, wrongUsage } from './exit-codes.ts';

/** The first mention of an actor class in a file that has none. */
const howToWrite = 'export class Counter extends eventSourced({ … }) { … }';

export interface LoadedActors {
  readonly actors: readonly ActorClass[];
  /** Every file that was read, so that a change of any can be noticed. Also what could be read before a failure. */
  readonly files: readonly string[];
}

/** The load failed; `files` are those that a change of may mend. */
export class ActorModulesError extends CommandLineError {
  readonly files: readonly string[];

  constructor(message: string, hint: string | undefined, files: readonly string[], cause?: unknown) {
    super(exitCodes.usage, message, { hint, cause });
    this.files = files;
  }
}

/**
 * @param files relative to `directory`
 * @throws ActorModulesError naming file and line
 */
export async function loadActorModules(files: readonly string[], directory: string): Promise<LoadedActors> {
  if (files.length === 0) {
    throw wrongUsage(
      'no actor files were given, so this node would serve nothing',
      `name them: greenroom start actors.ts; or "actors": ["actors.ts"] in greenroom.config.json`,
    );
  }
  const paths = files.map((file) => existingFile(file, directory));
  const greenroom = await import('../index.ts');
  const jiti = await makeLoader(greenroom);
  const found = new Map<string, { readonly type: ActorClass; readonly file: string }>();
  for (const path of new Set(paths)) {
    const file = relative(directory, path);
    for (const type of actorClasses(await load(jiti, path, paths), greenroom.Actor, file, path, jiti)) {
      const name = actorTypeName(type);
      const other = found.get(name);
      if (other !== undefined && other.type !== type) {
        throw new ActorModulesError(
          `two actor classes are named ${name}: one in ${other.file}, one in ${file}`,
          `give one of them a name of its own: eventSourced({ name: 'Other${name}', … })`,
          filesRead(jiti, paths),
        );
      }
      found.set(name, { type, file });
    }
  }
  return { actors: [...found.values()].map(({ type }) => type), files: filesRead(jiti, paths) };
}

/** Methods that declare no parameter, by type: what can be called without knowing more. */
export function commandsWithoutInput(actors: readonly ActorClass[]): Record<string, string[]> {
  return Object.fromEntries(
    actors.map((type) => {
      const methods = Object.entries(Object.getOwnPropertyDescriptors(type.prototype as object));
      const names = methods.filter(([, { value }]) => typeof value === 'function' && value.length === 0);
      return [actorTypeName(type), names.map(([name]) => name).filter((name) => name !== 'constructor')];
    }),
  );
}

async function makeLoader(greenroom: object): Promise<Jiti> {
  const [client, testing] = await Promise.all([import('../client/index.ts'), import('../testing/index.ts')]);
  return createJiti(import.meta.url, {
    fsCache: false,
    interopDefault: false,
    sourceMaps: true,
    virtualModules: { greenroom, 'greenroom/client': client, 'greenroom/testing': testing },
  });
}

function existingFile(file: string, directory: string): string {
  const path = resolve(directory, file);
  if (!existsSync(path)) {
    throw new ActorModulesError(`${file}: there is no such file`, `it is looked for at ${path}`, [path]);
  }
  if (statSync(path).isDirectory()) {
    throw new ActorModulesError(`${file} is a directory`, `name the files in it: ${file.replace(/\/$/, '')}/*.ts`, [
      path,
    ]);
  }
  return path;
}

async function load(jiti: Jiti, path: string, paths: readonly string[]): Promise<unknown> {
  try {
    return await jiti.import(path);
  } catch (error) {
    const files = filesRead(jiti, paths);
    throw new ActorModulesError(describeFailure(error, path), undefined, files, error);
  }
}

/** The classes that a module exports and that are actors. */
function actorClasses(module: unknown, Actor: unknown, file: string, path: string, jiti: Jiti): ActorClass[] {
  const exports = typeof module === 'function' ? [module] : Object.values(module as object);
  const values = exports.flatMap((value) => (Array.isArray(value) ? value : [value]));
  const isActor = (value: unknown): value is ActorClass =>
    typeof value === 'function' && value.prototype instanceof (Actor as new () => object) && isWritten(value);
  const actors = [...new Set(values.filter(isActor))];
  if (actors.length > 0) return actors;
  const other = values.find((value) => typeof value === 'function' && looksLikeActor(value));
  throw new ActorModulesError(
    other === undefined
      ? `${file} exports no actor class`
      : `${file}: ${actorTypeName(other as ActorClass)} extends an actor of another copy of greenroom than the one that runs`,
    other === undefined
      ? `export one: ${howToWrite}`
      : 'import from the plain name greenroom, and run the greenroom command of the same installation (npx greenroom)',
    filesRead(jiti, [path]),
  );
}

/** A head alone, exported to be extended elsewhere, is no actor. */
function isWritten(type: Function): boolean {
  return !Object.hasOwn(type, 'model') || Object.getOwnPropertyNames(type.prototype).length > 1;
}

function looksLikeActor(value: Function): boolean {
  const model = (value as { model?: unknown }).model;
  return typeof model === 'object' && model !== null && 'initialState' in model;
}

/** What the loader has read that belongs to the user: not this installation, not `node_modules`. */
function filesRead(jiti: Jiti, named: readonly string[]): string[] {
  const cached = Object.keys(jiti.cache ?? {}).filter((path) => !/[\\/]node_modules[\\/]/.test(path));
  return [...new Set([...named, ...cached])];
}

/** `actors.ts:7:7: …`, for a syntax error, a module that throws and an import that is not there. */
function describeFailure(error: unknown, path: string): string {
  if (!(error instanceof Error))
    return `${path} threw ${JSON.stringify(error)} instead of an Error while it was loaded`;
  const message = error.message.split('\nRequire stack')[0]!.trim();
  const syntax = /ParseError:\s*(.*?)\s*\n\s*(\S.*?:\d+:\d+)/s.exec(error.message);
  if (syntax) return `${syntax[2]}: syntax error: ${syntax[1]}${sourceLine(syntax[2]!)}`;
  const missing = /Cannot find (?:module|package) '([^']+)'/.exec(message);
  if (missing) {
    const from = importerOf(error, missing[1]!) ?? path;
    return `${from}: it imports '${missing[1]}', which is not there${missing[1]!.startsWith('.') ? '' : '; is it installed?'}`;
  }
  const place = userPlace(error.stack ?? '');
  return `${place ?? path}: ${error.name}: ${message} (thrown while the file was loaded)${place === undefined ? '' : sourceLine(place)}`;
}

/** The first place in a stack that is not Greenroom's, the loader's or Node's. */
function userPlace(stack: string): string | undefined {
  const places = [...stack.matchAll(/\(?(?:file:\/\/)?((?:\/|[A-Za-z]:\\)[^()\n]*?:\d+:\d+)\)?$/gm)].map(
    (match) => match[1]!,
  );
  return places.find((place) => !/[\\/](node_modules|dist[\\/]cli|src[\\/]cli)[\\/]/.test(place));
}

/** Which file imports what is missing: the loader says it in the stack of requires, or the line can be found. */
function importerOf(error: Error, missing: string): string | undefined {
  const stack = /Require stack:\n- (.+)/.exec(error.message)?.[1];
  if (stack === undefined || !existsSync(stack)) return undefined;
  const lines = readFileSync(stack, 'utf8').split('\n');
  const line = lines.findIndex((text) => text.includes(missing));
  return line === -1 ? stack : `${stack}:${line + 1}`;
}

function sourceLine(place: string): string {
  const match = /^(.*):(\d+):\d+$/.exec(place);
  if (!match || !existsSync(match[1]!)) return '';
  const line = readFileSync(match[1]!, 'utf8').split('\n')[Number(match[2]) - 1]?.trim();
  return line ? `\n  ${match[2]} | ${line.slice(0, 120)}` : '';
}
