/** The record with which an owner's epoch begins. What is in it would be enough to rebuild a map that was lost. */
import { encodeEpochStartBody } from '../persistence/codec.ts';
import type { RecordDraft } from '../persistence/record.ts';

export function epochStart(clusterId: string, owner: string, replicas: readonly string[]): RecordDraft {
  return {
    kind: 'epochStart',
    type: '',
    id: '',
    actorHash: 0,
    firstSequence: 0,
    eventCount: 0,
    ordinal: 0,
    previous: [],
    body: encodeEpochStartBody({ clusterId, owner, replicas }),
  };
}
