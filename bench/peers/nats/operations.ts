/** The generator's part of NATS: publishes, and waits for the stream's acknowledgement. */
import { createRequire } from 'node:module';
import { join } from 'node:path';

interface Options {
  readonly folder: string;
  readonly ports: readonly number[];
}

const electedWithinMs = 20_000;
const event = Buffer.from(
  JSON.stringify({ by: 1, note: 'an event of a usual size carries about a hundred bytes of data with it…' }),
);

export async function openOperations({ folder, ports }: Options) {
  const { connect } = createRequire(join(folder, 'package.json'))('nats');
  const connection = await connect({ servers: ports.map((port) => `127.0.0.1:${port}`) });
  const manager = await connection.jetstreamManager({ checkAPI: false });
  const untilMs = performance.now() + electedWithinMs;
  for (;;) {
    try {
      await manager.streams.add({ name: 'events', subjects: ['counter.*'], num_replicas: 3, storage: 'file' });
      break;
    } catch (error) {
      // Before the servers have elected who decides, there is nobody to ask.
      if (performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
  const stream = connection.jetstream();
  return {
    once: (key: number): Promise<unknown> => stream.publish(`counter.c${key}`, event),
    close: () => connection.close() as Promise<void>,
  };
}
