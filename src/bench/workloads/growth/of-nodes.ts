/** What one command costs as nodes become more, and what nodes cost each other while nothing happens: counted in simulation. */
import type { BenchContext, Benchmark, Figure } from '../../measure.ts';
import { type Counted, SimulatedMembers } from './simulated-members.ts';

const nodeCounts = [1, 3, 5, 7, 9] as const;
const inFlight = 64;
const commands = 20_000;
const commandsLeast = 500;
const idleMs = 30_000;

export const growthOfNodes: Benchmark = {
  name: 'growth of nodes',
  about:
    'clusters of 1 to 9 nodes on virtual time in this process, three copies (one on one node), 64 shards: messages, bytes and processor of one persisted command (64 in flight through all nodes), and of a quiet second. A frame on a socket takes many messages',
  isDurable: false,
  async run(context) {
    const figures: Figure[] = [];
    for (const nodes of nodeCounts) {
      context.progress(`${nodes} nodes`);
      figures.push(...(await measure(nodes, context)));
    }
    return { figures };
  },
};

async function measure(nodes: number, { scale }: BenchContext): Promise<readonly Figure[]> {
  const members = await SimulatedMembers.start(nodes);
  const total = Math.max(commandsLeast, Math.round(commands * scale));
  await members.run(total / 5, inFlight);
  const busy = await members.count(() => members.run(total, inFlight));
  const idle = await members.count(() => members.pass(idleMs));
  const seconds = (nodes * idle.virtualMs) / 1_000;
  return [
    figure('messages a command', '', nodes, busy.data.messages / total),
    figure('bytes a command', 'B', nodes, busy.data.bytes / total),
    figure('processor a command', 'µs', nodes, (busy.processorMs * 1_000) / total),
    figure('messages a quiet second and node', '', nodes, sent(idle) / seconds),
    figure('bytes a quiet second and node', 'B', nodes, (idle.data.bytes + idle.control.bytes) / seconds),
    figure('processor a quiet second and node', 'ms', nodes, idle.processorMs / seconds),
  ];
}

function sent({ data, control }: Counted): number {
  return data.messages + control.messages;
}

function figure(what: string, unit: string, nodes: number, value: number): Figure {
  return { name: `${what}, ${nodes} nodes`, unit, value, point: { plot: what, series: what, x: nodes } };
}
