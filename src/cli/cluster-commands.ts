/** `status`, `members` and `shards`: how the node and the cluster it belongs to are. */
import type { Command } from 'commander';
import {
  type ClusterAnswer,
  type ClusterView,
  clusterView,
  copiesThere,
  isThere,
  type MemberAnswer,
  type ShardAnswer,
  underReplicated,
} from './cluster-view.ts';
import { connect, servedTypes, wantsJson, withConnection } from './connection.ts';
import { CommandLineError } from './exit-codes.ts';
import { examples } from './help.ts';
import type { NodeApi } from './node-api.ts';
import { printTable, statusPaint } from './table.ts';
import { compactJson, printable, type Terminal } from './terminal.ts';

/** Numbers of shards that a line names; more are counted. */
const namedShardsMax = 8;

export function addClusterCommands(program: Command, terminal: Terminal): void {
  addStatus(program, terminal);
  addMembers(program, terminal);
  addShards(program, terminal);
}

function addStatus(program: Command, terminal: Terminal): void {
  withConnection(program.command('status'))
    .summary('how the node and its cluster are')
    .description(
      'Show whether the node is ready, who leads, its members, its shards and their copies, and what it serves.',
    )
    .addHelpText(
      'after',
      examples([
        ['greenroom status', ''],
        ['greenroom status --json | jq .ready', ''],
      ]),
    )
    .action(async (_options: object, command: Command) => {
      const api = connect(command, terminal);
      const view = await clusterView(api);
      const [types, readiness] = await Promise.all([servedTypes(api), readinessOf(api)]);
      const names = types.map(({ name }) => name);
      if (wantsJson(command)) return terminal.print(compactJson(statusJson(view, readiness, names)));
      printStatus(view, readiness, names, api.url, terminal);
    });
}

interface Readiness {
  readonly ready: boolean;
  readonly reason?: string | undefined;
}

function statusJson(view: ClusterView, readiness: Readiness, types: readonly string[]): object {
  const shards = countBy(view.shards, ({ status }) => status);
  return { ...readiness, ...view.cluster, shards, underReplicated: underReplicated(view).length, types };
}

function printStatus(
  view: ClusterView,
  readiness: Readiness,
  types: readonly string[],
  url: string,
  terminal: Terminal,
): void {
  const { cluster, shards } = view;
  const { bold, green, red, dim } = terminal.out;
  const paint = statusPaint(terminal);
  const counts = Object.entries(countBy(shards, ({ status }) => status));
  const leader = cluster.leader === null ? red('no leader in reach') : `leader ${cluster.leader}`;
  const versions = [...(cluster.protocol ? [`protocol ${cluster.protocol}`] : []), `map version ${cluster.mapVersion}`];
  terminal.print(`node     ${bold(cluster.node)} at ${url}`);
  terminal.print(
    `ready    ${readiness.ready ? green('yes') : red(`no: ${printable((readiness.reason ?? 'unknown').replace(/^not ready: /, ''))}`)}`,
  );
  terminal.print(`cluster  ${cluster.clusterId}  ${leader}${dim(`, ${versions.join(', ')}`)}`);
  terminal.print(`shards   ${shards.length}: ${counts.map(([status, n]) => `${n} ${paint(status)}`).join(', ')}`);
  const lost = shards.filter((shard) => shard.lost);
  if (lost.length > 0)
    terminal.print(
      `         ${red(`lost: ${numbersOf(lost)}; too many copies are gone, and \`greenroom recover\` says what can be done`)}`,
    );
  const stopped = shards.filter((shard) => shard.status === 'stopped' && !shard.lost);
  if (stopped.length > 0)
    terminal.print(
      `         ${red(`nobody serves ${numbersOf(stopped)}: the owner, or most copies, are not in reach`)}`,
    );
  if (lost.length === 0 && stopped.some(({ reason }) => reason !== undefined))
    terminal.print(
      '         too few copies are in reach; if disks are lost, `greenroom recover` says what can be done',
    );
  terminal.print(`copies   ${copiesText(view, terminal)}`);
  terminal.print(`types    ${types.join(', ') || '(none)'}`);
  terminal.print('');
  printMembers(cluster.members, terminal);
}

/** Whether each shard has as many copies as the cluster wants. */
function copiesText(view: ClusterView, terminal: Terminal): string {
  const { cluster, shards } = view;
  const { green, yellow, dim } = terminal.out;
  const wanted = cluster.replicas ?? 1;
  const learning = shards.filter(({ learners }) => learners.length > 0).length;
  const filling = learning === 0 ? '' : `, ${learning} being filled`;
  const few = underReplicated(view);
  if (few.length === 0) return `${green(`${wanted} of each shard`)}${filling}`;
  const up = cluster.members.filter(isThere).length;
  if (up < wanted && cluster.members.length < wanted && few.every((shard) => copiesThere(view, shard) === up))
    return `${up} of each shard ${dim(`(${wanted} wanted, as soon as there are as many nodes)`)}`;
  const counts = Object.entries(countBy(few, (shard) => String(copiesThere(view, shard))));
  const parts = counts.map(([copies, n]) => `${n} with ${copies}`);
  return yellow(
    `${few.length} of ${shards.length} shards are under-replicated: ${parts.join(', ')} of ${wanted}${filling}`,
  );
}

function numbersOf(shards: readonly ShardAnswer[]): string {
  const named = shards.slice(0, namedShardsMax).map(({ shard }) => shard);
  const more = shards.length - named.length;
  return `${shards.length === 1 ? 'shard' : 'shards'} ${named.join(', ')}${more === 0 ? '' : ` and ${more} more`}`;
}

/** `/readyz` says 503 with a reason while it is not ready; that is an answer here, and not a failure. */
async function readinessOf(api: NodeApi): Promise<Readiness> {
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
    members.map((each) => [each.node, shownStatus(each), String(each.shardsOwned), each.address, each.httpAddress]),
  );
}

/** A member that counts as up and does not answer this node is not yet known to be down, or this node is cut off. */
function shownStatus({ status, reachable }: MemberAnswer): string {
  return status === 'up' && reachable === false ? 'unreachable' : status;
}

function addShards(program: Command, terminal: Terminal): void {
  withConnection(program.command('shards'))
    .summary('list the shards, their owners and replicas')
    .description(
      'List every shard with its epoch, its owner, its copies in step (REPLICAS) and those being filled (LEARNERS).',
    )
    .option('--owner <node>', 'only those that this node owns')
    .option('--troubled', 'only those that nobody serves, or that lack copies')
    .addHelpText(
      'after',
      examples([
        ['greenroom shards', ''],
        ['greenroom shards --owner b', ''],
        ['greenroom shards --troubled', ''],
      ]),
    )
    .action(async (options: { owner?: string; troubled?: boolean }, command: Command) => {
      const view = await clusterView(connect(command, terminal));
      const lacking = new Set(underReplicated(view));
      const shards = view.shards
        .filter(({ owner }) => options.owner === undefined || owner === options.owner)
        .filter((shard) => !options.troubled || shard.status !== 'active' || lacking.has(shard));
      if (wantsJson(command)) return terminal.print(compactJson({ shards }));
      const hasNotes = shards.some((shard) => noteOf(shard) !== '');
      printTable(
        terminal,
        [
          { title: 'SHARD', align: 'right' },
          { title: 'EPOCH', align: 'right' },
          { title: 'OWNER', paint: terminal.out.cyan },
          { title: 'REPLICAS' },
          { title: 'LEARNERS' },
          { title: 'STATUS', paint: statusPaint(terminal) },
          ...(hasNotes ? [{ title: 'NOTE' }] : []),
        ],
        shards.map((each) => [
          String(each.shard),
          String(each.epoch),
          each.owner,
          each.replicas.join(','),
          each.learners.join(','),
          each.status,
          ...(hasNotes ? [noteOf(each)] : []),
        ]),
      );
      if (shards.length === 0) terminal.note(options.troubled ? 'every shard is served and has its copies' : 'none');
    });
}

/** Why it is stopped; else when it last lost something. */
function noteOf({ reason, lossAcceptedAt }: ShardAnswer): string {
  if (reason !== undefined) return printable(reason);
  return lossAcceptedAt === undefined ? '' : `loss accepted ${new Date(lossAcceptedAt).toISOString().slice(0, 19)}Z`;
}

function countBy<T>(all: readonly T[], keyOf: (each: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const each of all) counts[keyOf(each)] = (counts[keyOf(each)] ?? 0) + 1;
  return counts;
}
