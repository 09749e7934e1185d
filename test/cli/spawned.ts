/** The command line in processes of its own. Every process started here is ended here, by its pid. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach } from 'vitest';
import { program } from './built.ts';
import { temporaryDirectory } from './temporary.ts';

const waitForMs = 30_000;
const pollMs = 20;

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

export class Spawned {
  out = '';
  error = '';
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  hasEnded = false;

  constructor(args: readonly string[], cwd: string, env: Record<string, string> = {}) {
    this.#child = spawn(process.execPath, [program, ...args], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    });
    this.#child.stdout!.on('data', (chunk) => {
      this.out += chunk;
    });
    this.#child.stderr!.on('data', (chunk) => {
      this.error += chunk;
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.hasEnded = true;
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until it has written something like this on either stream. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    return until(
      () => `${pattern} in what was written: ${this.out}${this.error}`,
      () => {
        const match = pattern.exec(this.out) ?? pattern.exec(this.error);
        if (!match && this.hasEnded) throw new Error(`it ended without saying ${pattern}: ${this.out}${this.error}`);
        return match ?? undefined;
      },
    );
  }

  /** Waits for the ready line of `greenroom start`. */
  async isReady(): Promise<{ name: string; cluster: string; http: string }> {
    const [, name, cluster, http] = await this.says(/^greenroom node=(\S+) cluster=(\S+) http=(\S+) ready$/m);
    return { name: name!, cluster: cluster!, http: http! };
  }
}

const all: Spawned[] = [];

afterEach(async () => {
  for (const each of all.splice(0)) {
    if (!each.hasEnded) each.signal('SIGKILL');
    await each.ended;
  }
});

/** Starts `greenroom …`; it is killed after the test if it still runs. */
export function greenroom(args: readonly string[], cwd: string, env: Record<string, string> = {}): Spawned {
  const spawned = new Spawned(args, cwd, env);
  all.push(spawned);
  return spawned;
}

/** Waits until three nodes decide together: from then on any one of them may be lost. */
export async function untilThreeVote(http: string): Promise<void> {
  await until('three voters', async () => {
    const answer = (await (await fetch(`${http}/v1/cluster`)).json()) as { voters: readonly string[] };
    return answer.voters.length === 3 ? true : undefined;
  });
}

/** Polls until `found` answers something. */
export async function until<T>(
  what: string | (() => string),
  found: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + waitForMs;
  for (;;) {
    const value = await found();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${typeof what === 'string' ? what : what()}`);
    await sleep(pollMs);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A counter, and a command that takes its time. */
export const counterSource = `
import { eventSourced } from 'greenroom';
export class Counter extends eventSourced({
  initialState: (): number => 0,
  events: { Added: (sum, by: number) => sum + by },
}) {
  add(by: number) { this.persist('Added', by); return this.state; }
  get() { return this.state; }
  async slowly(ms: number) { await new Promise((done) => setTimeout(done, ms)); this.persist('Added', 1); return this.state; }
  neglect() { void Promise.reject(new Error('nobody awaits this')); return 'fine'; }
}
`;

/** A directory with files, `actors.ts` among them. */
export function directoryWith(files: Record<string, string> = {}): string {
  const directory = temporaryDirectory();
  for (const [name, content] of Object.entries({ 'actors.ts': counterSource, ...files })) {
    writeFileSync(join(directory, name), content);
  }
  return directory;
}

export const freePorts = ['--port', '0', '--http-port', '0'];
