/** Installing and running the programs of peers. Only what was started here is ever ended, by its process id. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endChild } from '../../src/bench/child-module.ts';
import { Skipped } from './peer.ts';

const run = promisify(execFile);
const installWithinMs = 180_000;
const readyWithinMs = 45_000;

/** Packages of npm, in a folder of their own. @returns that folder */
export async function npmPackages(scratch: string, name: string, ...packages: string[]): Promise<string> {
  const folder = join(scratch, name);
  if (packages.every((one) => existsSync(join(folder, 'node_modules', nameOf(one))))) return folder;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  try {
    await run('npm', ['install', '--no-audit', '--no-fund', ...packages], { cwd: folder, timeout: installWithinMs });
  } catch (error) {
    throw new Skipped(`npm could not install ${packages.join(', ')}: ${firstLine(error)}`);
  }
  return folder;
}

function nameOf(packageAndVersion: string): string {
  return packageAndVersion.replace(/(?<=.)@[^/]*$/, '');
}

/** A program of a Debian package, which root installs if it is not there. @returns its path */
export async function debianProgram(packageName: string, ...paths: string[]): Promise<string> {
  const found = () => paths.find((path) => existsSync(path));
  const there = found();
  if (there) return there;
  if (process.getuid?.() !== 0)
    throw new Skipped(`${packageName} is not installed, and only root can: apt-get install ${packageName}`);
  try {
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', packageName], {
      timeout: installWithinMs,
    });
  } catch (error) {
    throw new Skipped(`apt-get could not install ${packageName}: ${firstLine(error)}`);
  }
  const installed = found();
  if (!installed) throw new Skipped(`${packageName} has none of ${paths.join(', ')}`);
  return installed;
}

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
}

/** A program that runs until it is stopped. */
export class Program {
  readonly #child: ChildProcess;
  readonly #said: string[] = [];

  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    this.#child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
      env: { ...process.env, ...options.env },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream!.on('data', (chunk) => {
        this.#said.push(String(chunk));
        if (this.#said.length > 100) this.#said.shift();
      });
    }
    this.#child.on('error', (error) => this.#said.push(String(error)));
  }

  /** Resolves when it listens. @throws Error with the end of what it said */
  async listening(port: number): Promise<void> {
    const untilMs = performance.now() + readyWithinMs;
    while (performance.now() < untilMs) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) break;
      if (await accepts(port)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`nothing listens on ${port}: ${this.#said.join('').slice(-600)}`);
  }

  /** Everything it said, when it has ended by itself. @throws Error if it fails, or takes longer than `withinMs` */
  async finished(withinMs: number): Promise<string> {
    const child = this.#child;
    const code = await new Promise<number | null>((resolve) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
      const over = (): void => {
        clearTimeout(timer);
        resolve(child.exitCode);
      };
      if (child.exitCode !== null) over();
      else child.once('close', over);
    });
    if (code !== 0) throw new Error(`ended with ${code}: ${this.#said.join('').slice(-600)}`);
    return this.#said.join('');
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await endChild(this.#child, signal);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const say = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => say(true));
    socket.once('error', () => say(false));
  });
}

export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ports.push((server.address() as { port: number }).port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}

/** The text a program prints, trimmed. */
export async function output(command: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await run(command, args, { timeout: 20_000 });
  return (stdout || stderr).trim();
}

function firstLine(error: unknown): string {
  return (error as Error).message.split('\n').slice(0, 2).join(' ').slice(0, 200);
}
