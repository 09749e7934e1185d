/**
 * One node of `greenroom dev`: a child process that runs `greenroom start`, from its start to its end. It is in a
 * process group of its own, so that Ctrl-C reaches the supervisor alone; and it stops when the channel to the
 * supervisor closes, so that it never outlives it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import {
  exitWithParentVariable,
  freezeVariable,
  isLoadedMessage,
  type LoadedMessage,
  probeVariable,
} from './parent-channel.ts';

/** How long an ordered stop of a node in development may take; then it is killed, which loses nothing acknowledged. */
export const stopWithinMs = 4_000;
/** The node's own share of it. */
export const devShutdownGrace = '2s';

export interface DevNodeOptions {
  readonly name: string;
  /** The arguments of `greenroom start`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** It serves the counters of dev-probe.ts. */
  readonly isProbed?: boolean;
  /** Lines that the node writes, but the ready line. */
  readonly onLine: (line: string) => void;
  readonly onLoaded: (message: LoadedMessage) => void;
  /** It ended without being told to. */
  readonly onDied: (exit: Exit) => void;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface Ready {
  readonly type: 'ready';
  readonly pid: number;
  readonly cluster: string;
  readonly http: string;
  readonly tookMs: number;
}

export type StartOutcome = Ready | ({ readonly type: 'ended' } & Exit);

const readyPattern = /^greenroom node=\S+ cluster=(\S+) http=(\S+) ready$/;
const program = fileURLToPath(new URL('../../bin/greenroom.js', import.meta.url));

export class DevNode {
  readonly name: string;
  readonly #options: DevNodeOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<Exit> | undefined;
  /** The end of the child is wanted, so it is no death. */
  #isEndWanted = false;

  constructor(options: DevNodeOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process; resolves when it can serve or has ended. */
  async start(): Promise<StartOutcome> {
    const startedMs = performance.now();
    const child = spawn(process.execPath, [program, 'start', ...this.#options.args], {
      cwd: this.#options.cwd,
      env: {
        ...this.#options.env,
        [freezeVariable]: '1',
        [exitWithParentVariable]: '1',
        ...(this.#options.isProbed ? { [probeVariable]: '1' } : {}),
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    this.#child = child;
    this.#isEndWanted = false;
    child.on('message', (message) => {
      if (isLoadedMessage(message)) this.#options.onLoaded(message);
    });
    let isReady = false;
    this.#ended = endOf(child).then((exit) => {
      this.#child = undefined;
      if (isReady && !this.#isEndWanted) this.#options.onDied(exit);
      return exit;
    });
    eachLine(child.stderr!, this.#options.onLine);
    const ready = new Promise<Ready>((resolve) => {
      eachLine(child.stdout!, (line) => {
        const match = readyPattern.exec(line);
        if (!match) return this.#options.onLine(line);
        isReady = true;
        const [, cluster, http] = match as unknown as [string, string, string];
        resolve({ type: 'ready', pid: child.pid!, cluster, http, tookMs: performance.now() - startedMs });
      });
    });
    return Promise.race([ready, this.#ended.then((exit) => ({ type: 'ended' as const, ...exit }))]);
  }

  /** `kill -9`; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#isEndWanted = true;
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  /** Asks for an ordered stop, and kills if that takes too long; resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.#child === undefined) return;
    this.#isEndWanted = true;
    const child = this.#child;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
    await this.#ended;
    clearTimeout(timer);
  }

  /** `kill -9` without waiting, for an exit that cannot wait. */
  killNow(): void {
    this.#child?.kill('SIGKILL');
  }
}

/** How a child ended, once its last lines are read. */
function endOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

function eachLine(stream: Readable, onLine: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onLine);
}
