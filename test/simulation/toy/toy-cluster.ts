/**
 * The toy: a cluster that proves the simulator. One log, replicated whole to everyone by an elected leader, every
 * command an entry in it. Simple enough to be right; and it can be told to make a well-known mistake, which the
 * simulator then has to find.
 */
import type { ClusterKind, ClusterSetup, ClusterUnderTest } from '../../../src/testing/simulation/simulated-node.ts';
import { ToyNetwork } from './toy-network.ts';
import { type ToyMessage, ToyNode } from './toy-node.ts';

export const toyMistakes = {
  'stale read': 'the leader answers reads from its own state, without asking anybody',
  'no memory of ids': 'a retry is executed once more',
  'early answer': 'answers when the entry is in its own log, before a majority has it',
  'unsynced answer': 'a follower says "I have it" before it is on its disk',
  'forgotten vote': 'votes are not kept through a restart',
  'blind vote': 'votes for a candidate whose log is behind',
  'torn pair': 'the two halves of a pair are two entries',
  'kept exception': 'what a command recorded before it threw stays',
  'dropped tell': 'a tell is sent and not recorded',
} as const;

export type ToyMistake = keyof typeof toyMistakes;

export const toyCluster: ClusterKind = {
  name: 'toy',
  mistakes: toyMistakes,
  create(setup: ClusterSetup): ClusterUnderTest {
    const network = new ToyNetwork<ToyMessage>(setup.world, setup.tuning.networkMs);
    return {
      network,
      // Its state machine knows no time.
      hasReminders: false,
      survives: new Set([
        'cut',
        'partition',
        'break',
        'delay',
        'pause',
        'slow',
        'crash',
        'stop',
        'rollingRestart',
        'clockJump',
        'slowDisk',
        'fullDisk',
        'syncError',
      ]),
      copySets: () => [setup.nodes],
      start: (seat) => ToyNode.start(setup, network, seat),
    };
  },
};
