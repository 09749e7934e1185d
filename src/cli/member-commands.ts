/** `drain` and `remove`: a member leaves its cluster, in order, or because it is gone. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { mayDestroy } from './actor-commands.ts';
import { type ClusterAnswer, type ClusterView, clusterView, underReplicated } from './cluster-view.ts';
import { checkedNode, connect, wantsJson, withConnection } from './connection.ts';
import { CommandLineError, exitCodes } from './exit-codes.ts';
import { examples } from './help.ts';
import { ConnectionLost, type NodeApi } from './node-api.ts';
import { didYouMean } from './suggestion.ts';
import type { Terminal } from './terminal.ts';

const lookEveryMs = 250;
/** No node answers for so long: it is not known how far the drain is. */
const silentForMs = 15_000;

export function addMemberCommands(program: Command, terminal: Terminal): void {
  addDrain(program, terminal);
  addRemove(program, terminal);
}

function addDrain(program: Command, terminal: Terminal): void {
  withConnection(program.command('drain <node>'))
    .summary('move everything off a node, then let it leave')
    .description(
      'Move every shard and every copy off a node; it then leaves the cluster. Nothing is lost and nothing is rejected. Waits until that is done; if this command is ended earlier, the drain goes on.',
    )
    .option('--no-wait', 'return as soon as it has begun')
    .addHelpText(
      'after',
      examples([
        ['greenroom drain b', ''],
        ['greenroom drain b --no-wait', ''],
      ]),
    )
    .action(async (name: string, options: { wait: boolean }, command: Command) => {
      const node = checkedNode(name);
      const api = connect(command, terminal);
      const { members } = await api.get<ClusterAnswer>('/v1/cluster');
      await withMemberNames(node, members, () =>
        api.change('POST', `/v1/cluster/members/${encodeURIComponent(node)}/drain`),
      );
      const say = (line: string) => wantsJson(command) || terminal.note(line);
      if (!options.wait) return void say(`${node} is draining; \`greenroom members\` shows how far it is`);
      // The node that is asked may be the one that leaves.
      const others = members.filter((each) => each.node !== node).map((each) => api.at(each.httpAddress));
      await untilGone(node, [api, ...others], terminal);
      say(`${node} has left the cluster; stop its process, if it still runs, and delete its data`);
    });
}

async function untilGone(node: string, apis: readonly NodeApi[], terminal: Terminal): Promise<void> {
  let heardMs = performance.now();
  try {
    for (;;) {
      const view = await firstAnswer(apis, node);
      const nowMs = performance.now();
      if (view !== undefined) {
        heardMs = nowMs;
        const leaving = view.cluster.members.find((each) => each.node === node);
        if (leaving === undefined) return;
        terminal.progress(drainText(node, view));
      } else if (nowMs - heardMs > silentForMs) {
        throw new CommandLineError(exitCodes.outcomeUnknown, `no node says how far ${node} is: none answers`, {
          hint: 'the drain goes on as soon as most nodes are there; `greenroom members` shows it',
        });
      }
      await sleep(lookEveryMs);
    }
  } finally {
    terminal.progress('');
  }
}

/** The node that leaves hears last, and perhaps never, that it has left: the others are asked first. */
async function firstAnswer(apis: readonly NodeApi[], leaving: string): Promise<ClusterView | undefined> {
  let fallback: ClusterView | undefined;
  for (const api of apis) {
    const view = await clusterView(api).catch(() => undefined);
    if (view === undefined) continue;
    if (view.cluster.node !== leaving) return view;
    fallback ??= view;
  }
  return fallback;
}

function drainText(node: string, { shards }: ClusterView): string {
  const owned = shards.filter(({ owner }) => owner === node).length;
  const copies = shards.filter(({ replicas }) => replicas.includes(node)).length;
  return `${node} is draining: ${owned} shards and ${copies} copies to move`;
}

function addRemove(program: Command, terminal: Terminal): void {
  withConnection(program.command('remove <node>'))
    .summary('remove a node that will not come back')
    .description(
      "Remove a node that will not come back; its shards' copies are made elsewhere. Refused for a node that is up (drain it), and where it holds the only copies. Asks first; scripts give --yes.",
    )
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples([
        ['greenroom remove b', ''],
        ['greenroom remove b --yes', 'in scripts'],
      ]),
    )
    .action(async (name: string, options: { yes?: boolean }, command: Command) => {
      const node = checkedNode(name);
      const api = connect(command, terminal);
      const { members } = await api.get<ClusterAnswer>('/v1/cluster');
      if (!(await mayDestroy(terminal, options.yes, `Remove ${node} from the cluster for good?`))) return;
      await withMemberNames(node, members, () =>
        api.change('DELETE', `/v1/cluster/members/${encodeURIComponent(node)}`),
      );
      if (wantsJson(command)) return;
      terminal.note(`${node} is removed; it can come back only with an empty data directory`);
      const view = await clusterView(api).catch(() => undefined);
      const few = view === undefined ? 0 : underReplicated(view).length;
      if (few > 0)
        terminal.note(`${few} shards have fewer copies than wanted; \`greenroom status\` shows how they are made`);
    });
}

/** Adds the name that was probably meant to "there is no such member". */
async function withMemberNames<T>(node: string, members: ClusterAnswer['members'], ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ConnectionLost || !(error instanceof CommandLineError)) throw error;
    if (error.problem.code !== 'NOT_FOUND') throw error;
    const hint =
      node.length === 1
        ? undefined
        : didYouMean(
            node,
            members.map((each) => each.node),
          );
    throw new CommandLineError(error.exitCode, error.message, { problem: error.problem, cause: error, hint });
  }
}
