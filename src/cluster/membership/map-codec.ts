/** The control log's changes and snapshots, which are the cluster map's, as plain data. */
import { ControlCodec } from '../control/control-codec.ts';
import type { ClusterMap, MapChange } from './cluster-map.ts';
import { mapFromPlain, mapToPlain } from './map-changes.ts';

export const mapCodec = new ControlCodec<MapChange, ClusterMap>({
  encodeChange: (change) => (change.type === 'found' ? { ...change, map: mapToPlain(change.map) } : change),
  decodeChange: (plain) => {
    const change = plain as MapChange;
    return change.type === 'found' ? { ...change, map: mapFromPlain(change.map) } : change;
  },
  encodeSnapshot: mapToPlain,
  decodeSnapshot: mapFromPlain,
});
