/**
 * Rounds of sudden death under load, and the check of everything that was promised meanwhile (P2, P3, P4):
 * every acknowledged command is there once, none twice, unacknowledged ones all or nothing, and a retry with the same
 * key gets the same reply, in this life of the node and in the next.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../src/core/random.ts';
import { type HttpAnswer, HttpPool } from '../processes/http-pool.ts';
import { SpawnedNode } from '../processes/spawned-node.ts';
import { compileShim, PowerCut } from './power-cut.ts';

export interface CrashRun {
  readonly directory: string;
  readonly rounds: number;
  readonly seed: number;
  /** Also lose what was not fsynced. */
  readonly powerCut: boolean;
  readonly onRound?: (round: number, acknowledged: number) => void;
}

export interface CrashOutcome {
  readonly acknowledged: number;
  readonly retried: number;
  readonly replayedSame: number;
  /** Empty if every promise was kept. */
  readonly violations: readonly string[];
  /** Why power cuts could not be made. */
  readonly skipped?: string;
  readonly bytesCut: number;
}

interface Sent {
  readonly actor: string;
  readonly command: 'put' | 'putThree';
  readonly token: string;
  reply: string | undefined;
}

const actorCount = 40;
const clients = 24;
/** A disk so slow that most cuts find something on its way. */
const slowMs = 3;
const actors = fileURLToPath(new URL('./actors.ts', import.meta.url));

export async function crashRounds(run: CrashRun): Promise<CrashOutcome> {
  const random = seededRandom(run.seed);
  const pick = (count: number) => Math.floor(random.next() * count);
  mkdirSync(run.directory, { recursive: true });
  const data = join(run.directory, 'data');
  const library = run.powerCut ? compileShim(run.directory) : undefined;
  const powerCut = library === undefined ? undefined : new PowerCut(library, join(run.directory, 'node'));
  powerCut?.slow(slowMs);
  const nothing = { acknowledged: 0, retried: 0, replayedSame: 0, violations: [], bytesCut: 0 };
  if (run.powerCut && !powerCut) return { ...nothing, skipped: 'no C compiler to build the shim that notes fsyncs' };
  const violations: string[] = [];
  const acknowledged: Sent[] = [];
  let unresolved: Sent[] = [];
  let tokens = 0;
  let retried = 0;
  let replayedSame = 0;
  let bytesCut = 0;

  const send = async (pool: HttpPool, sent: Sent): Promise<HttpAnswer> =>
    pool.request('POST', `/v1/actors/Register/${sent.actor}/${sent.command}`, sent.token, {
      'Idempotency-Key': sent.token,
    });

  const settle = (sent: Sent, answer: HttpAnswer) => {
    if (answer.status !== 200) {
      violations.push(`${sent.token}: answered ${answer.status} ${answer.body}`);
    } else if (sent.reply === undefined) {
      sent.reply = answer.body;
      acknowledged.push(sent);
    } else if (sent.reply !== answer.body) violations.push(`${sent.token}: first ${sent.reply}, then ${answer.body}`);
    else replayedSame += 1;
  };

  for (let round = 0; round <= run.rounds; round++) {
    const isLast = round === run.rounds;
    const node = await SpawnedNode.start({
      actors,
      data,
      flags: ['--shards', '16', '--max-active', '20'],
      env: powerCut?.env ?? {},
    });
    const pool = new HttpPool(node.port);
    const again = unresolved;
    unresolved = [];
    retried += again.length;
    let isOver = false;
    const timer = isLast
      ? undefined
      : setTimeout(() => {
          isOver = true;
          node.signal('SIGKILL');
        }, 60 + pick(500));
    const attempt = async (sent: Sent) => {
      try {
        settle(sent, await send(pool, sent));
      } catch {
        if (sent.reply === undefined) unresolved.push(sent);
      }
    };
    const client = async () => {
      for (let sent = again.pop(); sent; sent = again.pop()) await attempt(sent);
      while (!isOver && !isLast) {
        if (acknowledged.length > 0 && random.next() < 0.1) await attempt(acknowledged[pick(acknowledged.length)]!);
        else
          await attempt({
            actor: `r${pick(actorCount)}`,
            command: random.next() < 0.3 ? 'putThree' : 'put',
            token: `t${++tokens}`,
            reply: undefined,
          });
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    unresolved.push(...again.splice(0));
    clearTimeout(timer);
    if (isLast) {
      await checkHistories(pool, acknowledged, violations);
      if (unresolved.length > 0)
        violations.push(`${unresolved.length} commands could not be resolved by a living node`);
    }
    pool.close();
    await node.stop(isLast ? 'SIGTERM' : 'SIGKILL');
    if (powerCut && !isLast) bytesCut += powerCut.cut(data);
    run.onRound?.(round, acknowledged.length);
  }
  return { acknowledged: acknowledged.length, retried, replayedSame, violations, bytesCut };
}

async function checkHistories(pool: HttpPool, acknowledged: readonly Sent[], violations: string[]): Promise<void> {
  const found = new Map<string, number[]>();
  for (let index = 0; index < actorCount; index++) {
    let after = 0;
    for (;;) {
      const page = await pool.request('GET', `/v1/actors/Register/r${index}/-/events?after=${after}&limit=1000`);
      if (page.status === 404) break;
      const { events } = JSON.parse(page.body) as {
        events: { sequenceNumber: number; data: { token: string; part: number } }[];
      };
      for (const { sequenceNumber, data } of events) {
        if (sequenceNumber !== after + 1) violations.push(`r${index}: event ${sequenceNumber} follows ${after}`);
        after = sequenceNumber;
        const key = `r${index}/${data.token}`;
        found.set(key, [...(found.get(key) ?? []), data.part]);
      }
      if (events.length < 1_000) break;
    }
    const inspected = await pool.request('GET', `/v1/actors/Register/r${index}`);
    if (after > 0 && (JSON.parse(inspected.body) as { state: { count: number } }).state.count !== after) {
      violations.push(`r${index}: ${after} events, but state ${inspected.body}`);
    }
  }
  for (const { actor, token, command, reply } of acknowledged) {
    const parts = found.get(`${actor}/${token}`)?.join() ?? 'nothing';
    const expected = command === 'put' ? '1' : '1,2,3';
    if (parts !== expected)
      violations.push(`${actor}/${token} was acknowledged with ${reply} and left ${parts}, not ${expected}`);
    found.delete(`${actor}/${token}`);
  }
  for (const [key, parts] of found)
    violations.push(`${key} left ${parts.join()} and was never acknowledged, though it was retried`);
}
