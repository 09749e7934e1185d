/**
 * Greenroom's own nodes under the simulator: the production {@link ClusterNode}, on virtual time and a simulated disk.
 *
 * Each machine is a node alone: it owns every shard, so clients are sent to the one there is (`--nodes 1`).
 */
import { defineActor } from '../../actors/definition.ts';
import { ClusterNode } from '../../cluster/node.ts';
import { assert } from '../../core/assert.ts';
import { actorHash } from '../../core/hash.ts';
import type { NodeName } from '../../core/ids.ts';
import type { MemoryJournal } from '../../persistence/memory-journal.ts';
import type { FaultKind } from './faults.ts';
import type { Acknowledgement, NodeInspection } from './inspection.ts';
import { JournalInspection } from './journal-inspection.ts';
import type {
  ClusterKind,
  ClusterSetup,
  ClusterUnderTest,
  NetworkFaults,
  NodeSeat,
  SimulatedNode,
} from './simulated-node.ts';
import { SnapshotFolds } from './snapshot-folds.ts';
import { workloadActors } from './workload-actors.ts';

const shutdownGraceMs = 10_000;

const noNetwork: NetworkFaults = {
  cut() {},
  break() {},
  delay() {},
  heal() {},
  crash() {},
  pause() {},
  resume() {},
};

/** One node, one copy: what a node alone has to survive. */
const survivedAlone: readonly FaultKind[] = [
  'pause',
  'slow',
  'crash',
  'stop',
  'rollingRestart',
  'clockJump',
  'slowDisk',
  'fullDisk',
  'syncError',
];

/** A node alone. */
export const greenroomAlone: ClusterKind = {
  name: 'alone',
  mistakes: {},
  create(setup: ClusterSetup): ClusterUnderTest {
    assert(setup.nodes.length === 1, () => `a node alone is one node, got ${setup.nodes.length}`);
    return {
      network: noNetwork,
      hasReminders: true,
      survives: new Set(survivedAlone),
      copySets: () => [setup.nodes],
      start: (seat) => startAlone(setup, seat),
    };
  },
};

async function startAlone({ tuning }: ClusterSetup, seat: NodeSeat): Promise<SimulatedNode> {
  const { name, clock, random, log, disk, life } = seat;
  const journal = disk.journal(life, {
    clusterId: 'simulated',
    node: name,
    shardCount: tuning.shardCount,
    replicas: 1,
  });
  const { boot } = await journal.open();
  const definitions = workloadActors.map((type) => defineActor(type, { passivateAfterMs: tuning.passivateAfterMs }));
  const node = await ClusterNode.start({
    name: name as NodeName,
    definitions,
    journal,
    clock,
    random,
    log,
    maxActive: tuning.maxActive,
    attemptsMax: Number.POSITIVE_INFINITY,
    freeze: true,
    clusterAddress: `${name}:7400`,
  });
  const acknowledgements: Acknowledgement[] = [];
  const folds = new SnapshotFolds(journal, definitions);
  const shown = new JournalInspection(journal, disk.memory);
  const replicas = [disk.storeId];
  return {
    get isServing() {
      return journal.status === 'open';
    },
    command: async (request) => {
      const answer = await node.command(request);
      if (answer.woke) seat.count('woke an actor');
      if (answer.replayed) seat.count('replayed an answer');
      const acknowledgement = acknowledgementOf(journal, request.type, request.id, answer.position);
      if (acknowledgement) acknowledgements.push(acknowledgement);
      return answer;
    },
    inspect: (): NodeInspection => ({
      storeId: disk.storeId,
      boot,
      version: disk.memory.batches * 1_000_000 + acknowledgements.length,
      shards: node
        .shards()
        .map(({ shard, epoch, status }) =>
          shown.shard(shard, status === 'active' ? epoch : undefined, { epoch, replicas }, true),
        ),
      takeAcknowledgements: () => acknowledgements.splice(0),
      takeSnapshots: () => folds.take(),
    }),
    stop: () => node.close(shutdownGraceMs),
  };
}

/** An answer tells a committed position: from then on, everything up to it has been acknowledged. */
function acknowledgementOf(
  journal: MemoryJournal,
  type: string,
  id: string,
  position: number,
): Acknowledgement | undefined {
  const shard = actorHash(type, id) % journal.identity.shardCount;
  const read = journal.read(shard, position);
  if (read.type !== 'record') return undefined;
  return { shard, position, epoch: read.head.epoch, chain: read.head.chain };
}
