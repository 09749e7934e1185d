/**
 * Appends for ever and prints each position that is durable; made to be killed. Run by `kill.test.ts`:
 * node jiti-cli append-until-killed.ts <directory>
 */
import { writeSync } from 'node:fs';
import { idIn, suiteShardCount, Writer } from '../../src/testing/journal-suite.ts';
import { counter, openAt } from './stores.ts';

const journal = await openAt(process.argv[2]!);
const writer = new Writer(journal);
let next = 0;

function append(): void {
  const shard = next++ % suiteShardCount;
  const record = writer.append(
    shard,
    `actor-${next % 12}`,
    { body: Buffer.alloc(next % 700, next) },
    {
      durable() {
        const { position, chain } = record.head;
        print(`${shard} ${position} ${chain}\n`);
        journal.commit(shard, position);
        append();
      },
      failed: (error) => {
        throw error;
      },
    },
  );
}

/** At once, whatever comes next: a parent that is slow to read leaves the pipe full, and a whole line is written or none. */
function print(line: string): void {
  for (;;) {
    try {
      writeSync(1, line);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

journal.actor(0, counter, idIn(0, 'x'));
for (let i = 0; i < 20; i++) append();
