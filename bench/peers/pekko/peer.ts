/** Apache Pekko: cluster sharding on one node, event-sourced entities on its LevelDB journal; built with a JDK and Maven. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { keys, type Peer, type PeerRate, Skipped } from '../peer.ts';
import { freePorts, Program } from '../programs.ts';

const run = promisify(execFile);
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const buildWithinMs = 120_000;
/** Starting, and waking every entity once. */
const marginMs = 90_000;

export const pekko: Peer = {
  name: 'Apache Pekko sharding, LevelDB journal',
  operation:
    'ask of a sharded EventSourcedBehavior that persists an event; the load generator is written in Java, in the same process',
  guarantees: 'fsynced before the answer (fsync on, batches of the journal); one copy; Java serialization',
  comparedWith: ['persisted'],
  async run({ scratch, data, durationMs, inFlights }) {
    const folder = join(scratch, 'pekko');
    await build(folder);
    const [port] = await freePorts(1);
    const loads = [String(Math.round(durationMs)), String(keys.count), ...inFlights.map(String)];
    const path = `${join(folder, 'classes')}:${join(folder, 'lib')}/*`;
    const program = new Program('java', ['-cp', path, 'CounterBench', data, String(port), ...loads]);
    try {
      const said = await program.finished(inFlights.length * durationMs * 2 + marginMs);
      const lines = said.split('\n').filter((line) => line.startsWith('{'));
      if (lines.length !== inFlights.length) throw new Error(`it said: ${said.slice(-400)}`);
      return { version: '1.1.3', rates: lines.map((line) => JSON.parse(line) as PeerRate) };
    } finally {
      await program.stop('SIGKILL');
    }
  },
};

async function build(folder: string): Promise<void> {
  await mkdir(join(folder, 'classes'), { recursive: true });
  await copyFile(here('./pom.xml'), join(folder, 'pom.xml'));
  const options = { cwd: folder, timeout: buildWithinMs };
  try {
    await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib'], options);
    await run('javac', ['-cp', 'lib/*', '-d', 'classes', here('./CounterBench.java')], options);
  } catch (error) {
    throw new Skipped(`needs a JDK, Maven and its jars: ${(error as Error).message.split('\n')[0]}`);
  }
}
