/** `npm run crash`: fifty rounds of `kill -9` under load, and ten with unsynced bytes cut off. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crashRounds } from './crash-rounds.ts';

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
let failed = false;
for (const { powerCut, rounds } of [
  { powerCut: false, rounds: Number(process.env.ROUNDS ?? 50) },
  { powerCut: true, rounds: Number(process.env.CUT_ROUNDS ?? 10) },
]) {
  const directory = mkdtempSync(join(tmpdir(), 'greenroom-crash-'));
  const title = powerCut ? 'kill -9 with unsynced bytes cut off' : 'kill -9';
  const onRound = (round: number, acknowledged: number) => {
    if (process.stderr.isTTY)
      process.stderr.write(`\r${title}: round ${round} of ${rounds}, ${acknowledged} acknowledged `);
  };
  const outcome = await crashRounds({ directory, rounds, seed, powerCut, onRound });
  if (process.stderr.isTTY) process.stderr.write('\n');
  console.log(JSON.stringify({ title, rounds, seed, ...outcome, violations: outcome.violations.length }));
  for (const violation of outcome.violations.slice(0, 20)) console.log(`  ${violation}`);
  if (outcome.violations.length > 0) failed = true;
  else rmSync(directory, { recursive: true, force: true });
}
if (failed) {
  console.log(`replay with SEED=${seed}`);
  process.exitCode = 1;
}
