/** `status`, `members`, `shards`, `drain` and `remove`: the node and the cluster it belongs to. */
import type { Command } from 'commander';
import { mayDestroy } from './actor-commands.ts';
import { checkedNode, connect, servedTypes, wantsJson, withConnection } from './connection.ts';
import { CommandLineError } from './exit-codes.ts';
import { examples } from './help.ts';
import type { NodeApi } from './node-api.ts';
import { printTable, statusPaint } from './table.ts';
import { compactJson, printable, type Terminal } from './terminal.ts';

interface MemberAnswer {
  readonly node: string;
  readonly address: string;
  readonly httpAddress: string;
  readonly status: string;
  readonly shardsOwned: number;
}

interface ClusterAnswer {
  readonly clusterId: string;
  readonly node: string;
  readonly leader: string;
  readonly mapVersion: number;
  readonly members: readonly MemberAnswer[];
}

interface ShardAnswer {
  readonly shard: number;
  readonly epoch: number;
  readonly owner: string;
  readonly replicas: readonly string[];
  readonly learners: readonly string[];
  readonly status: string;
}

export function addClusterCommands(program: Command, terminal: Terminal): void {
  addStatus(program, terminal);
  addMembers(program, terminal);
  addShards(program, terminal);
  addDrain(program, terminal);
  addRemove(program, terminal);
}

function addStatus(program: Command, terminal: Terminal): void {
  withConnection(program.command('status'))
    .summary('how the node and its cluster are')
    .description('Show whether the node is ready, its members, its shards and what it serves.')
    .addHelpText(
      'after',
      examples([
        ['greenroom status', ''],
        ['greenroom status --json | jq .ready', ''],
      ]),
    )
    .action(async (_options: object, command: Command) => {
      const api = connect(command, terminal);
      const cluster = await api.get<ClusterAnswer>('/v1/cluster');
      const [{ shards }, types, readiness] = await Promise.all([
        api.get<{ shards: readonly ShardAnswer[] }>('/v1/cluster/shards'),
        servedTypes(api),
        readinessOf(api),
      ]);
      const counts = countBy(shards, ({ status }) => status);
      if (wantsJson(command)) {
        return terminal.print(
          compactJson({ ...readiness, ...cluster, shards: counts, types: types.map(({ name }) => name) }),
        );
      }
      const { bold, green, red, dim } = terminal.out;
      const paint = statusPaint(terminal);
      const serving = Object.entries(counts).map(([status, count]) => `${count} ${paint(status)}`);
      terminal.print(`node     ${bold(cluster.node)} at ${api.url}`);
      terminal.print(
        `ready    ${readiness.ready ? green('yes') : red(`no: ${printable(readiness.reason ?? 'unknown')}`)}`,
      );
      terminal.print(
        `cluster  ${cluster.clusterId}  ${dim(`leader ${cluster.leader}, map version ${cluster.mapVersion}`)}`,
      );
      terminal.print(`shards   ${shards.length}: ${serving.join(', ')}`);
      terminal.print(`types    ${types.map(({ name }) => name).join(', ') || '(none)'}`);
      terminal.print('');
      printMembers(cluster.members, terminal);
    });
}

/** `/readyz` says 503 with a reason while it is not ready; that is an answer here, and not a failure. */
async function readinessOf(api: NodeApi): Promise<{ ready: boolean; reason?: string }> {
  try {
    await api.request('GET', '/readyz');
    return { ready: true };
  } catch (error) {
    if (error instanceof CommandLineError) return { ready: false, reason: error.problem.detail };
    throw error;
  }
}

function addMembers(program: Command, terminal: Terminal): void {
  withConnection(program.command('members'))
    .summary('list the members of the cluster')
    .description('List the members of the cluster, with their addresses and the shards they own.')
    .addHelpText(
      'after',
      examples([
        ['greenroom members', ''],
        ['greenroom members --json', ''],
      ]),
    )
    .action(async (_options: object, command: Command) => {
      const { members } = await connect(command, terminal).get<ClusterAnswer>('/v1/cluster');
      if (wantsJson(command)) terminal.print(compactJson({ members }));
      else printMembers(members, terminal);
    });
}

function printMembers(members: readonly MemberAnswer[], terminal: Terminal): void {
  printTable(
    terminal,
    [
      { title: 'NODE', paint: terminal.out.cyan },
      { title: 'STATUS', paint: statusPaint(terminal) },
      { title: 'SHARDS', align: 'right' },
      { title: 'ADDRESS' },
      { title: 'HTTP' },
    ],
    members.map((each) => [each.node, each.status, String(each.shardsOwned), each.address, each.httpAddress]),
  );
}

function addShards(program: Command, terminal: Terminal): void {
  withConnection(program.command('shards'))
    .summary('list the shards, their owners and replicas')
    .description('List every shard with its epoch, its owner and where its copies are.')
    .addHelpText(
      'after',
      examples([
        ['greenroom shards', ''],
        ["greenroom shards | awk -F'\\t' '$6 != \"active\"'", 'those that do not serve'],
      ]),
    )
    .action(async (_options: object, command: Command) => {
      const { shards } = await connect(command, terminal).get<{ shards: readonly ShardAnswer[] }>('/v1/cluster/shards');
      if (wantsJson(command)) return terminal.print(compactJson({ shards }));
      printTable(
        terminal,
        [
          { title: 'SHARD', align: 'right' },
          { title: 'EPOCH', align: 'right' },
          { title: 'OWNER', paint: terminal.out.cyan },
          { title: 'REPLICAS' },
          { title: 'LEARNERS' },
          { title: 'STATUS', paint: statusPaint(terminal) },
        ],
        shards.map((each) => [
          String(each.shard),
          String(each.epoch),
          each.owner,
          each.replicas.join(','),
          each.learners.join(','),
          each.status,
        ]),
      );
    });
}

function addDrain(program: Command, terminal: Terminal): void {
  withConnection(program.command('drain <node>'))
    .summary('move everything off a node, then let it leave')
    .description('Move every shard off a node; it then leaves the cluster. Nothing is lost and nothing is rejected.')
    .addHelpText('after', examples([['greenroom drain b', '']]))
    .action(async (name: string, _options: object, command: Command) => {
      const node = checkedNode(name);
      await connect(command, terminal).change('POST', `/v1/cluster/members/${encodeURIComponent(node)}/drain`);
      if (!wantsJson(command)) terminal.note(`${node} is draining; \`greenroom members\` shows how far it is`);
    });
}

function addRemove(program: Command, terminal: Terminal): void {
  withConnection(program.command('remove <node>'))
    .summary('remove a node that will not come back')
    .description(
      "Remove a node that will not come back; its shards' copies are made elsewhere. Asks first; scripts give --yes.",
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
      if (!(await mayDestroy(terminal, options.yes, `Remove ${node} from the cluster for good?`))) return;
      await api.change('DELETE', `/v1/cluster/members/${encodeURIComponent(node)}`);
      if (!wantsJson(command)) terminal.note(`${node} is being removed`);
    });
}

function countBy<T>(all: readonly T[], keyOf: (each: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const each of all) counts[keyOf(each)] = (counts[keyOf(each)] ?? 0) + 1;
  return counts;
}
