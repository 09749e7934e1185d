/**
 * `npm run soak`: the shopping cart under HTTP load with far fewer actors in memory than there are carts, so that
 * most commands wake one; afterwards every cart's events and state must equal what the clients were told.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../src/core/random.ts';
import { HttpPool } from '../processes/http-pool.ts';
import { SpawnedNode } from '../processes/spawned-node.ts';

const carts = Number(process.env.CARTS ?? 200_000);
const commands = Number(process.env.COMMANDS ?? carts * 2);
const maxActive = Number(process.env.MAX_ACTIVE ?? Math.max(1, Math.floor(carts / 20)));
const connections = 256;
const skus = ['tea', 'milk', 'honey', 'bread'];

const directory = mkdtempSync(join(tmpdir(), 'greenroom-soak-'));
const actors = fileURLToPath(new URL('../../examples/actors.ts', import.meta.url));
const node = await SpawnedNode.start({
  actors,
  data: join(directory, 'data'),
  flags: ['--max-active', String(maxActive)],
});
const pool = new HttpPool(node.port);
const random = seededRandom(Number(process.env.SEED ?? 1));
const expected = new Map<number, { quantities: Map<string, number>; events: number }>();
const wrong: string[] = [];
let woke = 0;

async function lanes(total: number, once: (index: number) => Promise<void>): Promise<number> {
  let next = 0;
  const startMs = performance.now();
  const lane = async () => {
    for (let index = next++; index < total; index = next++) {
      await once(index);
      if (process.stderr.isTTY && index % 5_000 === 0) process.stderr.write(`\r${index} of ${total} `);
    }
  };
  await Promise.all(Array.from({ length: connections }, lane));
  if (process.stderr.isTTY) process.stderr.write('\n');
  return (total * 1_000) / (performance.now() - startMs);
}

const rate = await lanes(commands, async (index) => {
  const cart = index < carts ? index : Math.floor(random.next() * carts);
  const sku = skus[Math.floor(random.next() * skus.length)]!;
  const quantity = 1 + Math.floor(random.next() * 3);
  const answer = await pool.request('POST', `/v1/actors/ShoppingCart/cart-${cart}/addItem`, { sku, quantity });
  if (answer.status !== 200) {
    wrong.push(`cart-${cart}: ${answer.status} ${answer.body}`);
    return;
  }
  if (answer.headers.has('greenroom-woke')) woke += 1;
  const known = expected.get(cart) ?? { quantities: new Map(), events: 0 };
  known.quantities.set(sku, (known.quantities.get(sku) ?? 0) + quantity);
  known.events += 1;
  expected.set(cart, known);
});

const checkRate = await lanes(carts, async (cart) => {
  const known = expected.get(cart);
  if (!known) return;
  const inspected = JSON.parse((await pool.request('GET', `/v1/actors/ShoppingCart/cart-${cart}`)).body);
  const page = JSON.parse((await pool.request('GET', `/v1/actors/ShoppingCart/cart-${cart}/-/events`)).body);
  const items = JSON.stringify(Object.entries(inspected.state.items).sort());
  if (items !== JSON.stringify([...known.quantities].sort())) wrong.push(`cart-${cart}: state ${items}`);
  if (page.events.length !== known.events)
    wrong.push(`cart-${cart}: ${page.events.length} events, told of ${known.events}`);
});

pool.close();
const code = await node.stop();
rmSync(directory, { recursive: true, force: true });
console.log(
  JSON.stringify({
    carts,
    commands,
    maxActive,
    connections,
    commandsPerSecond: Math.round(rate),
    wokeShare: woke / commands,
    cartsCheckedPerSecond: Math.round(checkRate),
    wrong: wrong.length,
    exitCode: code,
  }),
);
for (const line of wrong.slice(0, 20)) console.log(`  ${line}`);
if (wrong.length > 0 || code !== 0) process.exitCode = 1;
