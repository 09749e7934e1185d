/**
 * A process that pulses, for tests: told what to do by lines of JSON on its standard input, tells what happens by lines
 * of JSON on its standard output. Without anything more to read it ends, if nothing else keeps it.
 */
import { createInterface } from 'node:readline';
import { startPulseThread } from '../../src/cluster/pulse-thread.ts';
import type { StoreId } from '../../src/core/ids.ts';

const [storeId, boot, secret] = process.argv.slice(2) as [string, string, string | undefined];
const tell = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

const thread = await startPulseThread({
  host: '127.0.0.1',
  port: 0,
  clusterId: 'pulse-test',
  storeId: storeId as StoreId,
  boot: Number(boot),
  ...(secret ? { secret } : {}),
  onPulse: (peer, life, lagMs) => tell({ peer, boot: life, lagMs }),
  onOwnLag: (ownLagMs) => tell({ ownLagMs }),
});

for await (const line of createInterface({ input: process.stdin })) {
  const [what, value] = line.split(' ') as [string, string];
  if (what === 'peer') {
    const [peer, address] = value.split('=') as [string, string];
    thread.setPeers([{ storeId: peer as StoreId, address }]);
    tell({ port: thread.port });
  }
  if (what === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(value));
  if (what === 'close') await thread.close();
}
