/**
 * Actors of Rivet: rivetkit and its engine, both from npm, the counter in a process of its own beside the engine, the load
 * over rivetkit's own client. Twice: saved as by default, and saved before every answer.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { measured, type Peer, type PeerContext, type PeerResult, Skipped } from '../peer.ts';
import { freePorts, npmPackages, Program } from '../programs.ts';
import { counters } from './counters.ts';

export const rivetkit: Peer = {
  name: 'rivetkit, as by default',
  operation: `an action of one of ${counters.count} actors over its WebSocket to the engine: adds and returns the total`,
  guarantees:
    'in the memory of the actor’s process; saved within a second (stateSaveInterval), and what was answered since is lost with the process; one copy',
  comparedWith: ['persisted over HTTP'],
  run: (context) => measureAction('add', context),
};

export const rivetkitSaved: Peer = {
  name: 'rivetkit, saved at each add',
  operation: `as above, with await saveState({ immediate: true }) before the answer`,
  guarantees: 'written to the log of the engine’s RocksDB before the answer, which is not fsynced; one copy',
  comparedWith: ['persisted over HTTP'],
  run: (context) => measureAction('addAndSave', context),
};

async function measureAction(action: 'add' | 'addAndSave', context: PeerContext): Promise<PeerResult> {
  const { scratch, data } = context;
  // It uses what Node has only since 22.
  const folder = await npmPackages(scratch, 'rivetkit', 'rivetkit@2.3.19', 'ws@8', 'node@22');
  const [port, peerPort, metricsPort] = await freePorts(3);
  const endpoint = `http://127.0.0.1:${port}`;
  const engine = new Program(enginePath(folder), ['start'], {
    env: {
      RIVET__GUARD__HOST: '127.0.0.1',
      RIVET__GUARD__PORT: String(port),
      RIVET__API_PEER__HOST: '127.0.0.1',
      RIVET__API_PEER__PORT: String(peerPort),
      RIVET__METRICS__HOST: '127.0.0.1',
      RIVET__METRICS__PORT: String(metricsPort),
      RIVET__FILE_SYSTEM__PATH: data,
      RIVET__TELEMETRY__ENABLED: 'false',
      // By default it starts no actor any more while the machine's cores are busy, as those of a benchmark are.
      RIVET__RUNTIME__WORKER_CPU_MAX: '1000000',
    },
  });
  const program = fileURLToPath(new URL('./counter.mjs', import.meta.url));
  let counter: Program | undefined;
  try {
    await engine.listening(port!);
    counter = new Program(join(folder, 'node_modules/node/bin/node'), [program, folder, endpoint], {
      env: { RIVET_LOG_LEVEL: 'error' },
    });
    const { version } = JSON.parse(await readFile(join(folder, 'node_modules/rivetkit/package.json'), 'utf8'));
    const module = new URL('./operations.ts', import.meta.url).href;
    return { version, rates: await measured(module, { folder, endpoint, action }, context, counters) };
  } finally {
    await counter?.stop();
    await engine.stop();
  }
}

/** The package of this platform holds it. */
function enginePath(folder: string): string {
  try {
    return createRequire(join(folder, 'package.json'))('@rivetkit/engine-cli').getEnginePath();
  } catch (error) {
    throw new Skipped(`its npm package has no engine for this platform: ${(error as Error).message}`);
  }
}
