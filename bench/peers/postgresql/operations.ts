/** The generator's part of PostgreSQL: an actor's next event, inserted. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Load } from '../../../src/bench/load/workload.ts';

interface Options {
  readonly folder: string;
  readonly port: number;
}

const note = 'an event of a usual size carries about a hundred bytes of data with it…';
const connectionsMax = 64;

export async function openOperations({ folder, port }: Options, load: Load) {
  const { Pool } = createRequire(join(folder, 'package.json'))('pg');
  const max = load.type === 'open' ? connectionsMax : Math.min(connectionsMax, load.inFlight);
  const pool = new Pool({ host: '127.0.0.1', port, user: 'bench', database: 'postgres', max });
  await pool.query(
    'CREATE TABLE IF NOT EXISTS events (actor text, sequence bigint, type text, data jsonb, at timestamptz DEFAULT now(), PRIMARY KEY (actor, sequence))',
  );
  const { rows } = await pool.query('SELECT actor, max(sequence) AS newest FROM events GROUP BY actor');
  const newest = new Map<string, number>(
    rows.map((row: { actor: string; newest: string }) => [row.actor, Number(row.newest)]),
  );
  return {
    async once(key: number): Promise<void> {
      const actor = `c${key}`;
      const sequence = (newest.get(actor) ?? 0) + 1;
      newest.set(actor, sequence);
      const values = [actor, sequence, 'Added', { by: 1, note }];
      await pool.query({
        name: 'add',
        text: 'INSERT INTO events (actor, sequence, type, data) VALUES ($1, $2, $3, $4)',
        values,
      });
    },
    close: () => pool.end() as Promise<void>,
  };
}
