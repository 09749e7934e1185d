/**
 * `recover`: what the cluster has lost, and what can be done about it. With `--accept-loss` it goes on with what is left.
 * Without it nothing changes, so an operator sees first what the choice is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { mayDestroy } from './actor-commands.ts';
import { shardAnswers } from './cluster-view.ts';
import { checkedNode, connect, wantsJson, withConnection } from './connection.ts';
import { wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import type { NodeApi } from './node-api.ts';
import { printTable } from './table.ts';
import { compactJson, type Terminal } from './terminal.ts';

/** `GET /v1/cluster/recovery` */
interface RecoveryAnswer {
  readonly decides: boolean;
  readonly voters: readonly string[];
  readonly away: readonly string[];
  readonly shards: readonly ShardInDoubt[];
}

interface ShardInDoubt {
  readonly shard: number;
  readonly needed: number;
  readonly copies: readonly string[];
  readonly away: readonly string[];
  readonly gone: readonly string[];
}

/** `POST /v1/cluster/recovery` */
interface AcceptedAnswer {
  readonly shards: readonly number[];
  readonly removed: readonly string[];
  readonly controlLog: boolean;
}

interface RecoverOptions {
  readonly acceptLoss?: boolean;
  readonly lost?: readonly string[];
  readonly yes?: boolean;
}

/** Longer than what the node itself waits for a new control log. */
const acceptTimeoutMs = 60_000;
const servedAgainMs = 30_000;
const lookEveryMs = 200;

export function addRecoverCommand(program: Command, terminal: Terminal): void {
  withConnection(program.command('recover'))
    .summary('what is lost, and going on without it')
    .description(
      'Show which shards stopped because too few of their copies are there, on which nodes the others are, and what can be done. With --accept-loss: give up what was only on disks that are lost, and go on with the best of what is left. Commands that were acknowledged may be gone then. Refused while everything may still come back. Asks first; scripts give --yes.',
    )
    .option('--accept-loss', 'go on with what is left')
    .option('--lost <node...>', 'nodes that are down and whose disks are lost for good')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples([
        ['greenroom recover', 'what is lost, and what to do'],
        ['greenroom recover --accept-loss', 'disks that were lost are replaced by empty ones already'],
        ['greenroom recover --accept-loss --lost b c', 'the disks of b and c are lost'],
      ]),
    )
    .action(async (options: RecoverOptions, command: Command) => {
      const lost = (options.lost ?? []).flatMap((names) => names.split(',')).map((name) => checkedNode(name));
      if (lost.length > 0 && !options.acceptLoss) throw wrongUsage('--lost goes with --accept-loss');
      const api = connect(command, terminal);
      const found = await api.get<RecoveryAnswer>('/v1/cluster/recovery');
      if (!options.acceptLoss) {
        if (wantsJson(command)) terminal.print(compactJson(found));
        else printFound(found, terminal);
        return;
      }
      if (!(await mayDestroy(terminal, options.yes, question(found, lost)))) return;
      const body = {
        acceptLoss: true,
        lost,
        ...(found.decides ? { shards: lostOf(found, lost).map(({ shard }) => shard) } : {}),
      };
      const answer = await api.change('POST', '/v1/cluster/recovery', {
        json: JSON.stringify(body),
        timeoutMs: acceptTimeoutMs,
      });
      const accepted = answer.body as AcceptedAnswer;
      if (wantsJson(command)) return terminal.print(compactJson(accepted));
      await printAccepted(accepted, api, terminal);
    });
}

/** Those that cannot come back, if these nodes do not either. */
function lostOf({ shards }: RecoveryAnswer, lost: readonly string[]): readonly ShardInDoubt[] {
  return shards.filter(
    ({ needed, copies, away }) => copies.length + away.filter((node) => !lost.includes(node)).length < needed,
  );
}

function printFound(found: RecoveryAnswer, terminal: Terminal): void {
  const { decides, voters, away, shards } = found;
  if (decides && shards.length === 0) {
    terminal.print('nothing is lost: enough copies of every shard are in reach');
    return;
  }
  if (!decides)
    terminal.print(`the cluster cannot decide anything: too few of its voters (${names(voters)}) are in reach`);
  if (shards.length > 0)
    printTable(
      terminal,
      [
        { title: 'SHARD', align: 'right' },
        { title: 'NEEDED', align: 'right' },
        { title: 'IN REACH', paint: terminal.out.green },
        { title: 'AWAY', paint: terminal.out.yellow },
        { title: 'GONE', paint: terminal.out.red },
      ],
      shards.map((each) => [
        String(each.shard),
        String(each.needed),
        ...[each.copies, each.away, each.gone].map(joined),
      ]),
    );
  const lost = lostOf(found, []);
  if (lost.length > 0) {
    terminal.note(`${lost.length} shards are lost, and stay stopped: too many of their copies are gone for good`);
    terminal.note('  greenroom recover --accept-loss   goes on with the best copy that is left of each, or with none');
  }
  if (!decides || shards.length > lost.length) {
    terminal.note(`nothing is lost yet of what waits for ${names(away)}: start them again with the disks they had`);
    terminal.note(`  greenroom recover --accept-loss --lost ${away.join(' ')}   only if their disks are lost`);
  }
}

function question(found: RecoveryAnswer, lost: readonly string[]): string {
  const which = found.decides ? `${lostOf(found, lost).length} shards` : 'all shards';
  const gone = lost.length > 0 ? ` and give up the disks of ${names(lost)} for good` : '';
  return `Go on with what is left of ${which}${gone}? Commands that were acknowledged may be lost.`;
}

async function printAccepted(accepted: AcceptedAnswer, api: NodeApi, terminal: Terminal): Promise<void> {
  const { shards, removed, controlLog } = accepted;
  if (shards.length === 0 && removed.length === 0) return terminal.note('nothing is lost; nothing was done');
  if (removed.length > 0)
    terminal.note(
      `${names(removed)} ${removed.length === 1 ? 'is' : 'are'} given up: what was on ${removed.length === 1 ? 'its disk' : 'their disks'} counts no more; start with an empty data directory and --join`,
    );
  if (controlLog) terminal.note('the cluster decides again, with the voters that are left');
  const accepting = new Set(shards);
  for (const endMs = performance.now() + servedAgainMs; performance.now() < endMs; ) {
    const open = (await shardAnswers(api)).filter(({ shard, status }) => accepting.has(shard) && status !== 'active');
    if (open.length === 0) {
      terminal.progress('');
      return terminal.note(`${shards.length} shards are served again, with what was left of them`);
    }
    terminal.progress(`${open.length} of ${shards.length} shards are not served yet`);
    await sleep(lookEveryMs);
  }
  terminal.progress('');
  terminal.note(
    `${shards.length} shards go on with what was left of them; \`greenroom shards --troubled\` shows how far they are`,
  );
}

function joined(nodes: readonly string[]): string {
  return nodes.join(',') || '-';
}

function names(nodes: readonly string[]): string {
  return nodes.join(', ') || 'nobody';
}
