/** A node started as a user starts it, with `greenroom start`, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { endChild } from './child-module.ts';

/** From dist/bench as from src/bench. */
const program = fileURLToPath(new URL('../../bin/greenroom.js', import.meta.url));
const actors = fileURLToPath(new URL('../../dist/bench/actors.js', import.meta.url));
const readyWithinMs = 60_000;
const diagnosticsLinesMax = 200;

export interface CommandLineNode {
  readonly name: string;
  readonly clusterAddress: string;
  readonly httpUrl: string;
  readonly processId: number;
  stop(signal: NodeJS.Signals): Promise<void>;
}

/** Resolves with its ready line. @throws Error with what it wrote to standard error if it ends before, or is late */
export async function startCommandLineNode(flags: readonly string[]): Promise<CommandLineNode> {
  const child = spawn(process.execPath, [program, 'start', actors, '--log-level', 'warn', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  const errors: string[] = [];
  child.stderr.on('data', (chunk) => {
    errors.push(String(chunk));
    if (errors.length > diagnosticsLinesMax) errors.shift();
  });
  try {
    const line = await firstLine(child);
    const ready = /^greenroom node=(\S+) cluster=(\S+) http=(\S+) ready$/.exec(line);
    if (!ready) throw new Error(`the node said '${line}'`);
    const [, name, clusterAddress, httpUrl] = ready as unknown as [string, string, string, string];
    return { name, clusterAddress, httpUrl, processId: child.pid!, stop: (signal) => endChild(child, signal) };
  } catch (error) {
    await endChild(child, 'SIGKILL');
    throw new Error(`${(error as Error).message}: ${errors.join('')}`, { cause: error });
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`the node was not ready within ${readyWithinMs} ms`)),
      readyWithinMs,
    );
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(late);
      reject(new Error(`the node ended with ${code ?? 'a signal'}`));
    });
    createInterface({ input: child.stdout! }).once('line', (line) => {
      clearTimeout(late);
      resolve(line);
    });
  });
}
