/**
 * `greenroom dev`, running: starts the nodes, passes their lines on, restarts them when a file changes, kills and
 * starts them on a key, and stops them. What it does to a node it does one thing after another; a change that comes
 * meanwhile is done after.
 */
import { relative } from 'node:path';
import { formatDuration } from '../core/duration.ts';
import { servedTypes } from './connection.ts';
import { keyMeaning, keysLine } from './dev-keys.ts';
import { DevNode, type Exit, type Ready, type StartOutcome } from './dev-node.ts';
import { curlLines, curlText } from './dev-welcome.ts';
import { exitCodes } from './exit-codes.ts';
import { FileWatch } from './file-watch.ts';
import { NodeApi } from './node-api.ts';
import type { LoadedMessage } from './parent-channel.ts';
import type { Terminal } from './terminal.ts';

export interface DevNodePlan {
  readonly name: string;
  readonly args: readonly string[];
}

export interface SupervisorOptions {
  readonly nodes: readonly DevNodePlan[];
  /** Where data lies, as shown. */
  readonly dataText: string;
  /** A token that may call, if the nodes want one. */
  readonly token: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Keys are read. */
  readonly hasKeys: boolean;
}

export class DevSupervisor {
  readonly #options: SupervisorOptions;
  readonly #terminal: Terminal;
  readonly #nodes: readonly DevNode[];
  readonly #ready = new Map<string, Ready>();
  /** Killed by a key: they stay down until it is pressed again, whatever changes. */
  readonly #killed = new Set<DevNode>();
  readonly #watch: FileWatch;
  readonly #ends: (exitCode: number) => void;
  /** Resolves with the exit code when everything has stopped. */
  readonly ended: Promise<number>;
  #queue: Promise<void> = Promise.resolve();
  #loaded: LoadedMessage | undefined;
  #hasServed = false;
  #isStopping = false;

  constructor(options: SupervisorOptions, terminal: Terminal) {
    this.#options = options;
    this.#terminal = terminal;
    let ends!: (exitCode: number) => void;
    this.ended = new Promise((resolve) => {
      ends = resolve;
    });
    this.#ends = ends;
    this.#watch = new FileWatch(
      (files) => this.#onChange(files),
      (reason) => this.#say(`${reason}; changes there are not noticed, r restarts`),
    );
    this.#nodes = options.nodes.map((plan, i) => this.#makeNode(plan, i));
    process.once('exit', () => this.killNow());
  }

  /** Starts all nodes. */
  start(): void {
    this.#enqueue(async () => {
      for (const node of this.#nodes) await this.#startNode(node);
    });
  }

  /** Does what a key means. */
  press(key: string): void {
    const meaning = keyMeaning(key, this.#nodes.length);
    if (meaning?.type === 'toggle') this.#toggle(this.#nodes[meaning.index]!);
    else if (meaning?.type === 'restart') this.#restart('restarting');
    else if (meaning?.type === 'help') this.#enqueue(() => this.#welcome());
  }

  /** Stops the nodes in order; resolves {@link ended} with 0. */
  stop(exitCode: number = exitCodes.done): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#watch.close();
    const isAnyRunning = this.#nodes.some((node) => node.isRunning);
    if (isAnyRunning) this.#say('stopping');
    Promise.all(this.#nodes.map((node) => node.stop())).then(() => this.#ends(exitCode));
  }

  /** Kills the nodes without waiting. */
  killNow(): void {
    for (const node of this.#nodes) node.killNow();
  }

  #makeNode({ name, args }: DevNodePlan, index: number): DevNode {
    const { cyan, magenta, yellow, green, blue } = this.#terminal.error;
    const paint = [cyan, magenta, yellow, green, blue][index % 5]!;
    const prefix = paint(`${name} │`);
    return new DevNode({
      name,
      args,
      env: this.#options.env,
      cwd: this.#terminal.cwd,
      onLine: (line) => this.#terminal.note(`${prefix} ${line}`),
      onLoaded: (message) => {
        this.#loaded = message;
        this.#watch.set(message.files);
      },
      onDied: (exit) => this.#onDied(name, exit),
    });
  }

  #enqueue(task: () => Promise<void>): void {
    this.#queue = this.#queue.then(async () => {
      if (!this.#isStopping) await task();
    });
  }

  async #startNode(node: DevNode): Promise<void> {
    this.#loaded = undefined;
    const outcome = await node.start();
    if (this.#isStopping) return;
    if (outcome.type === 'ended') return this.#onFailedStart(node, outcome);
    this.#ready.set(node.name, outcome);
    if (!this.#hasServed) {
      this.#hasServed = true;
      await this.#welcome();
    } else {
      this.#say(`${node.name} back after ${formatDuration(outcome.tookMs)} (pid ${outcome.pid})`);
    }
  }

  #onFailedStart(node: DevNode, outcome: Extract<StartOutcome, { type: 'ended' }>): void {
    const isMendable = outcome.code === exitCodes.usage && this.#loaded !== undefined;
    if (!this.#hasServed && !(isMendable && this.#options.hasKeys)) {
      this.stop(outcome.code || exitCodes.refused);
      return;
    }
    this.#say(
      `${node.name} did not start (${exitText(outcome)}); waiting for a change of a file${this.#options.hasKeys ? ', or press 1' : ''}`,
    );
  }

  #onDied(name: string, exit: Exit): void {
    this.#ready.delete(name);
    if (!this.#isStopping) {
      this.#say(
        `${name} died (${exitText(exit)}); waiting for a change of a file${this.#options.hasKeys ? ', or press its key' : ''}`,
      );
    }
  }

  #onChange(files: readonly string[]): void {
    const names = files.map((file) => relative(this.#terminal.cwd, file)).join(', ');
    this.#restart(`${names} changed: restarting`);
  }

  #restart(why: string): void {
    this.#enqueue(async () => {
      this.#say(why);
      for (const node of this.#nodes.filter((each) => !this.#killed.has(each))) {
        await node.stop();
        this.#ready.delete(node.name);
        await this.#startNode(node);
      }
    });
  }

  #toggle(node: DevNode): void {
    this.#enqueue(async () => {
      this.#killed.delete(node);
      if (!node.isRunning) return this.#startNode(node);
      const { pid } = node;
      await node.kill();
      this.#killed.add(node);
      this.#ready.delete(node.name);
      this.#say(`${node.name} killed (pid ${pid}); the same key starts it again`);
    });
  }

  async #welcome(): Promise<void> {
    const { bold, cyan, dim } = this.#terminal.out;
    const print = (line: string) => this.#terminal.print(line);
    print('');
    for (const [name, { cluster, http, pid }] of this.#ready) {
      print(`  node ${bold(name)}     ${cyan(http)}  cluster ${cluster}  pid ${pid}`);
    }
    const url = [...this.#ready.values()].find(({ http }) => http !== 'off')?.http;
    if (url !== undefined) {
      print(`  dashboard  ${cyan(`${url}/`)}`);
      print(`  data       ${this.#options.dataText} ${dim('(--fresh starts empty)')}`);
      print('');
      for (const line of await this.#curls(url)) print(`  ${line}`);
    }
    print('');
    if (this.#options.hasKeys) print(`  ${dim(keysLine(this.#nodes.map(({ name }) => name)))}\n`);
  }

  async #curls(url: string): Promise<string[]> {
    const { token } = this.#options;
    const types = await servedTypes(new NodeApi(url, token)).catch(() => []);
    return curlLines(types, this.#loaded?.withoutInput ?? {}).map((line) => curlText(url, line, token !== undefined));
  }

  #say(line: string): void {
    this.#terminal.print(this.#terminal.out.bold(line));
  }
}

function exitText({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code ?? '?'}` : signal;
}
