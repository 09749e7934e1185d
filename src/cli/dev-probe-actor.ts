/**
 * The actors that `greenroom dev` calls to measure what a killed node costs: counters of its own, so that the user's
 * actors are left alone. A node serves them only when its supervisor asks for it.
 */
import { eventSourced } from '../index.ts';

export const probeTypeName = 'GreenroomProbe';

export class GreenroomProbe extends eventSourced({
  name: probeTypeName,
  initialState: (): number => 0,
  events: { Counted: (count) => count + 1 },
  passivateAfter: '30s',
}) {
  count(): number {
    this.persist('Counted');
    return this.state;
  }

  read(): number {
    return this.state;
  }
}
