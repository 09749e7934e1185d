/** The generator's part of rivetkit: its own client, with a connection (a WebSocket) to each counter, open before the load. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { counters } from './counters.ts';

const opening = { atOnce: 8, withinMs: 25_000, pauseMs: 200 };
const closeWithinMs = 2_000;

interface Connection {
  add(by: number): Promise<number>;
  addAndSave(by: number): Promise<number>;
  total(): Promise<number>;
}

interface Client {
  readonly counter: { getOrCreate(key: readonly string[]): { connect(): Connection } };
  dispose(): Promise<void>;
}

interface RivetOptions {
  /** Of its packages. */
  readonly folder: string;
  /** Of its engine. */
  readonly endpoint: string;
  readonly action: 'add' | 'addAndSave';
}

/** @throws Error if the counters are not all there in time */
export async function openOperations({ folder, endpoint, action }: RivetOptions) {
  // Its client tells every failed try of a connection, and tries again.
  process.env.RIVET_LOG_LEVEL = 'error';
  const { createClient } = createRequire(join(folder, 'package.json'))('rivetkit/client');
  const client: Client = createClient({ endpoint });
  const connections = await connected(client);
  return {
    once: (key: number): Promise<unknown> => connections[key]![action](1),
    close: async (): Promise<void> => {
      // A connection that does not close would hold the generator's answer.
      const patience = new Promise((resolve) => setTimeout(resolve, closeWithinMs).unref());
      await Promise.race([client.dispose(), patience]);
    },
  };
}

async function connected(client: Client): Promise<readonly Connection[]> {
  const untilMs = performance.now() + opening.withinMs;
  const connections: Connection[] = [];
  const openSome = async (): Promise<void> => {
    while (connections.length < counters.count) {
      const connection = client.counter.getOrCreate([`c${connections.length}`]).connect();
      connections.push(connection);
      await answered(connection, untilMs);
    }
  };
  await Promise.all(Array.from({ length: opening.atOnce }, openSome));
  return connections;
}

/** Its engine refuses what it could not start in time, so a first call may fail. */
async function answered(connection: Connection, untilMs: number): Promise<void> {
  for (;;) {
    try {
      await connection.total();
      return;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, opening.pauseMs));
    }
  }
}
