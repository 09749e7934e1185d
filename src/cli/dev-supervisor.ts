/**
 * `greenroom dev`, running: starts the nodes, passes their lines on, restarts them when a file changes, kills and
 * starts them on a key, and stops them. What it does to its nodes it does one thing after another; a change that comes
 * meanwhile is done after. So at most one node is down by its doing, and the others serve.
 */
import { relative } from 'node:path';
import { formatDuration } from '../core/duration.ts';
import { type ClusterView, isThere, notServed, underReplicated } from './cluster-view.ts';
import { servedTypes } from './connection.ts';
import { experimentLine, runExperiment, settled } from './dev-experiment.ts';
import { keyMeaning, keysLine } from './dev-keys.ts';
import { DevNode, type Exit, type Ready, type StartOutcome } from './dev-node.ts';
import type { DevNodePlan } from './dev-plan.ts';
import { probeTypeName } from './dev-probe-actor.ts';
import { curlLines, curlText } from './dev-welcome.ts';
import { exitCodes } from './exit-codes.ts';
import { FileWatch } from './file-watch.ts';
import { NodeApi } from './node-api.ts';
import type { LoadedMessage } from './parent-channel.ts';
import type { Terminal } from './terminal.ts';

/** How long a rolling restart waits for the copies on a node to be in step again before it goes on with the next. */
const inStepWithinMs = 10_000;
/** How long the lines of what to try may wait for a node that has just become ready, and may have died since. */
const typesWithinMs = 2_000;

export interface SupervisorOptions {
  readonly nodes: readonly DevNodePlan[];
  /** The nodes know each other already, so that none of them is ready before most of them are. */
  readonly isKnown: boolean;
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

  /** Starts all nodes: of a new cluster the founder first. */
  start(): void {
    this.#enqueue(async () => {
      const [founder, ...others] = this.#nodes;
      if (!this.#options.isKnown && !(await this.#startNode(founder!))) return;
      const rest = this.#options.isKnown ? this.#nodes : others;
      const started = await Promise.all(rest.map((node) => this.#startNode(node)));
      if (this.#isStopping || started.includes(false)) return;
      this.#hasServed = true;
      await this.#welcome();
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
      isProbed: this.#options.nodes.length > 1,
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

  /** @returns whether it serves */
  async #startNode(node: DevNode): Promise<boolean> {
    this.#loaded = undefined;
    const outcome = await node.start();
    if (this.#isStopping) return false;
    if (outcome.type === 'ended') {
      this.#onFailedStart(node, outcome);
      return false;
    }
    this.#ready.set(node.name, outcome);
    return true;
  }

  async #startAgain(node: DevNode): Promise<boolean> {
    if (!(await this.#startNode(node))) return false;
    if (this.#hasServed) this.#say(this.#backText(node));
    else if (this.#ready.size === this.#nodes.length) {
      this.#hasServed = true;
      await this.#welcome();
    }
    return true;
  }

  #backText(node: DevNode): string {
    const { tookMs, pid } = this.#ready.get(node.name)!;
    return `${node.name} back after ${formatDuration(tookMs)} (pid ${pid})`;
  }

  #onFailedStart(node: DevNode, outcome: Extract<StartOutcome, { type: 'ended' }>): void {
    const isMendable = outcome.code === exitCodes.usage && this.#loaded !== undefined;
    if (!this.#hasServed && !(isMendable && this.#options.hasKeys)) {
      this.stop(outcome.code || exitCodes.refused);
      return;
    }
    this.#say(
      `${node.name} did not start (${exitText(outcome)}); waiting for a change of a file${this.#options.hasKeys ? ', or press its key' : ''}`,
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

  /** One node after another, each once the one before serves again; a file that does not load stops no other. */
  #restart(why: string): void {
    this.#enqueue(async () => {
      this.#say(why);
      for (const node of this.#nodes.filter((each) => !this.#killed.has(each))) {
        await node.stop();
        this.#ready.delete(node.name);
        if (this.#isStopping || !(await this.#startAgain(node))) return;
        await this.#inStep(node);
      }
    });
  }

  /** Its copies count again, so that the next node can be missed. */
  async #inStep(node: DevNode): Promise<void> {
    if (this.#nodes.length === 1) return;
    const wanted = this.#nodes.length - this.#killed.size;
    const isInStep = (view: ClusterView) =>
      view.cluster.members.filter(isThere).length >= wanted &&
      notServed(view).length === 0 &&
      (this.#killed.size > 0 || underReplicated(view).length === 0);
    await settled(this.#urls(node), this.#options.token, isInStep, inStepWithinMs);
  }

  #toggle(node: DevNode): void {
    this.#enqueue(async () => {
      this.#killed.delete(node);
      if (node.isRunning) await this.#kill(node);
      else await this.#revive(node);
    });
  }

  async #kill(node: DevNode): Promise<void> {
    const { pid, name } = node;
    const urls = this.#urls(node);
    const left = this.#nodes.filter((each) => each !== node && each.isRunning).length;
    const act = async () => {
      await node.kill();
      this.#killed.add(node);
      this.#ready.delete(name);
      this.#say(`${name} killed (pid ${pid}); the same key starts it again`);
    };
    // Of two nodes either may be the one that matters; of more, most of them are.
    const goesOn = left * 2 > this.#nodes.length || this.#nodes.length === 2;
    if (urls.length === 0 || !goesOn) {
      await act();
      if (left > 0)
        this.#say(
          `${left} of ${this.#nodes.length} nodes left: no majority, so nothing is served until another is back`,
        );
      return;
    }
    const isDone = (view: ClusterView) =>
      view.cluster.leader !== null &&
      view.cluster.members.every((member) => member.node !== name || !isThere(member)) &&
      notServed(view).length === 0;
    const noticed = await runExperiment({ node: name, urls, token: this.#options.token, act, isDone });
    if (noticed && !this.#isStopping) this.#say(experimentLine(`${name} killed`, noticed));
  }

  async #revive(node: DevNode): Promise<void> {
    const { name } = node;
    const urls = this.#urls(node);
    let isBack = false;
    const act = async () => {
      isBack = await this.#startAgain(node);
    };
    if (urls.length === 0) return act();
    const isDone = (view: ClusterView) =>
      !isBack ||
      (view.cluster.members.some((member) => member.node === name && isThere(member)) &&
        notServed(view).length === 0 &&
        view.shards.every(({ learners }) => learners.length === 0));
    const noticed = await runExperiment({ node: name, urls, token: this.#options.token, act, isDone });
    if (noticed && isBack && !this.#isStopping) this.#say(experimentLine(`${name} started`, noticed));
  }

  /** Where HTTP is served, but by this node. */
  #urls(besides?: DevNode): readonly string[] {
    return [...this.#ready]
      .filter(([name, { http }]) => name !== besides?.name && http !== 'off')
      .map(([, { http }]) => http);
  }

  async #welcome(): Promise<void> {
    const { bold, cyan, dim } = this.#terminal.out;
    const print = (line: string) => this.#terminal.print(line);
    print('');
    for (const { name } of this.#nodes) {
      const ready = this.#ready.get(name);
      if (ready === undefined) print(`  node ${bold(name)}     ${dim('is not running')}`);
      else print(`  node ${bold(name)}     ${cyan(ready.http)}  cluster ${ready.cluster}  pid ${ready.pid}`);
    }
    const [url] = this.#urls();
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
    const served = await servedTypes(new NodeApi(url, token), { timeoutMs: typesWithinMs }).catch(() => []);
    const types = served.filter(({ name }) => name !== probeTypeName);
    return curlLines(types, this.#loaded?.withoutInput ?? {}).map((line) => curlText(url, line, token !== undefined));
  }

  #say(line: string): void {
    this.#terminal.print(this.#terminal.out.bold(line));
  }
}

function exitText({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code ?? '?'}` : signal;
}
