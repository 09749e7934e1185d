/** Peers that have no script here yet, and why. They stand in the table, so that nobody thinks they were forgotten. */
import { type Peer, Skipped } from './peer.ts';

function notMeasured(name: string, reason: string): Peer {
  return {
    name,
    operation: 'none',
    guarantees: 'not examined',
    comparedWith: ['persisted over HTTP'],
    run: () => Promise.reject(new Skipped(reason)),
  };
}

export const rivetkit = notMeasured('rivetkit', 'no script yet: its engine is another program beside its npm package');
