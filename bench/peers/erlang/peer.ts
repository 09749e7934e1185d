/** Erlang/OTP: gen_server calls, in one node and between two nodes on this machine. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keys, type Peer, type PeerContext, type PeerRate, type PeerResult } from '../peer.ts';
import { debianProgram, freePorts, output, Program } from '../programs.ts';

const source = fileURLToPath(new URL('./counter_bench.erl', import.meta.url));
const marginMs = 30_000;

export const erlangLocal: Peer = {
  name: 'Erlang/OTP, local call',
  operation: 'gen_server:call in one node; the load generator is written in Erlang',
  guarantees: 'in memory only',
  comparedWith: ['ask'],
  async run(context) {
    const erl = await compiled(context);
    return measuredBy(new Program(erl, argumentsFor(context, 'local')), context, erl);
  },
};

export const erlangDistributed: Peer = {
  name: 'Erlang/OTP, call between two nodes',
  operation: 'gen_server:call to another node on this machine, over TCP; the load generator is written in Erlang',
  guarantees: 'in memory only; at most once',
  comparedWith: ['ask among three nodes'],
  async run(context) {
    const erl = await compiled(context);
    const [epmdPort] = await freePorts(1);
    // A port mapper of its own: the usual one would stay, and may be someone else's.
    const env = { ERL_EPMD_PORT: String(epmdPort), ERL_EPMD_ADDRESS: '127.0.0.1' };
    const started: Program[] = [];
    const start = (command: string, args: readonly string[]): Program => {
      const program = new Program(command, args, { env });
      started.push(program);
      return program;
    };
    const named = (name: string) => ['-name', `${name}@127.0.0.1`, '-setcookie', 'bench', '-start_epmd', 'false'];
    try {
      await start(erl.replace(/erl$/, 'epmd'), []).listening(epmdPort!);
      start(erl, [...named('counters'), '-noshell', '-pa', context.data, '-s', 'counter_bench', 'serve']);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      const caller = start(erl, [...named('callers'), ...argumentsFor(context, 'counters@127.0.0.1')]);
      return await measuredBy(caller, context, erl);
    } finally {
      for (const program of started.reverse()) await program.stop('SIGKILL');
    }
  },
};

async function compiled({ data }: PeerContext): Promise<string> {
  const erl = await debianProgram('erlang-base', '/usr/bin/erl', '/usr/local/bin/erl');
  await new Program(erl.replace(/erl$/, 'erlc'), ['-o', data, source]).finished(60_000);
  return erl;
}

function argumentsFor({ data, durationMs, inFlights }: PeerContext, where: string): string[] {
  const plain = [where, String(Math.round(durationMs)), String(keys.count), ...inFlights.map(String)];
  return ['-noshell', '-pa', data, '-s', 'counter_bench', 'main', '-extra', ...plain];
}

async function measuredBy(program: Program, { durationMs, inFlights }: PeerContext, erl: string): Promise<PeerResult> {
  try {
    const said = await program.finished(inFlights.length * durationMs * 2 + marginMs);
    const lines = said.split('\n').filter((line) => line.startsWith('{'));
    if (lines.length !== inFlights.length) throw new Error(`it said: ${said.slice(-400)}`);
    const release = 'io:format("~s", [erlang:system_info(otp_release)]), halt().';
    const version = `OTP ${await output(`${dirname(erl)}/erl`, '-noshell', '-eval', release)}`;
    return { version, rates: lines.map((line) => JSON.parse(line) as PeerRate) };
  } finally {
    await program.stop('SIGKILL');
  }
}
