/** A node in a process of its own, started as a user starts it. Only processes started here are ever ended here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../bin/greenroom.js', import.meta.url));
const readyWithinMs = 30_000;

export interface SpawnOptions {
  readonly actors: string;
  readonly data: string;
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export class SpawnedNode {
  readonly url: string;
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  readonly #errors: string[];

  private constructor(child: ChildProcess, exited: Promise<number | null>, url: string, errors: string[]) {
    this.#child = child;
    this.#exited = exited;
    this.#errors = errors;
    this.url = url;
    this.port = Number(new URL(url).port);
  }

  /** Resolves with the ready line. @throws Error with what the node wrote if it ends before */
  static async start(options: SpawnOptions): Promise<SpawnedNode> {
    const { actors, data, flags = [], env } = options;
    const child = spawn(
      process.execPath,
      [program, 'start', actors, '--data', data, '--port', '0', '--http-port', '0', '--log-level', 'warn', ...flags],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1', ...env } },
    );
    const errors: string[] = [];
    child.stderr!.on('data', (chunk) => {
      errors.push(String(chunk));
      if (errors.length > 200) errors.shift();
    });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const ready = new Promise<string>((resolve) => {
      createInterface({ input: child.stdout! }).once('line', resolve);
    });
    const late = new Promise<never>((_, reject) => {
      setTimeout(
        () => reject(new Error(`no ready line within ${readyWithinMs} ms: ${errors.join('')}`)),
        readyWithinMs,
      ).unref();
    });
    const first = await Promise.race([ready, exited, late]);
    const url = typeof first === 'string' ? /http=(\S+) ready$/.exec(first)?.[1] : undefined;
    if (url === undefined) throw new Error(`the node ended or said '${first}': ${errors.join('')}`);
    return new SpawnedNode(child, exited, url, errors);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** The end of what it wrote to standard error. */
  get diagnostics(): string {
    return this.#errors.join('');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it and waits until it is gone. Returns its exit code, null if a signal ended it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return this.#exited;
  }
}
