/** A virtual object of Restate: the server from npm, the counter as a service beside it, the load over its HTTP ingress. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { siblingModule } from '../../../src/bench/child-module.ts';
import { measured, type Peer, Skipped } from '../peer.ts';
import { freePorts, npmPackages, output, Program } from '../programs.ts';

export const restate: Peer = {
  name: 'Restate, virtual object',
  operation: 'POST /Counter/{key}/add: get, set and return, over HTTP, one node, default settings',
  guarantees: 'durable per call in its log; exactly-once per invocation; one copy',
  comparedWith: ['persisted over HTTP'],
  async run(context) {
    const { scratch, data } = context;
    const folder = await npmPackages(
      scratch,
      'restate',
      '@restatedev/restate-server',
      '@restatedev/restate-sdk',
      'node@22',
    );
    const binary = serverBinary(folder);
    const [ingress, admin, fabric, service] = await freePorts(4);
    const program = fileURLToPath(new URL('./service.mjs', import.meta.url));
    // Its SDK uses what Node has only since 22.
    const node = join(folder, 'node_modules/node/bin/node');
    const counter = new Program(node, [program, folder, String(service)]);
    const server = new Program(binary, ['--node-name', 'bench', '--base-dir', data], {
      env: {
        RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
        RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
        RESTATE_BIND_ADDRESS: `127.0.0.1:${fabric}`,
        RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${fabric}/`,
        RESTATE_DISABLE_TELEMETRY: 'true',
        RUST_LOG: 'warn',
      },
    });
    try {
      for (const [one, port] of [
        [counter, service],
        [server, admin],
        [server, ingress],
      ] as const)
        await one.listening(port!);
      await register(admin!, service!);
      const http = siblingModule('../../../src/bench/load/http-operations', import.meta.url).href;
      const requests = [{ method: 'POST', path: '/Counter/c{key}/add', body: '1' }];
      return {
        version: await output(binary, '--version'),
        rates: await measured(http, { ports: [ingress], requests }, context),
      };
    } finally {
      await server.stop();
      await counter.stop();
    }
  },
};

async function register(admin: number, service: number): Promise<void> {
  let answer = '';
  for (let attempt = 0; attempt < 40; attempt++) {
    const response = await fetch(`http://127.0.0.1:${admin}/deployments`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ uri: `http://127.0.0.1:${service}` }),
    });
    if (response.ok) return;
    answer = await response.text();
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`the service was not registered: ${answer}`);
}

/** The package of this platform holds it. */
function serverBinary(folder: string): string {
  const scope = join(folder, 'node_modules', '@restatedev');
  for (const name of readdirSync(scope)) {
    const binary = join(scope, name, 'bin', 'restate-server');
    if (existsSync(binary)) return binary;
  }
  throw new Skipped('its npm package has no server for this platform');
}
