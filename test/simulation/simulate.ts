/** `npm run simulate -- --seeds 500 --minutes 10 [--cluster toy] [--nodes 3] [--seed N] [--mistake m] [--losses] [--trace]` */
import { Counters } from '../../src/testing/simulation/counters.ts';
import { simulateLoss } from '../../src/testing/simulation/loss-simulation.ts';
import { simulate } from '../../src/testing/simulation/simulation.ts';
import type { SimulationOutcome } from '../../src/testing/simulation/trial.ts';
import { parseSimulationArguments, replayCommand } from './arguments.ts';

const violationsShown = 5;
const settings = parseSimulationArguments({ seeds: 100, minutes: 10 });
const run = settings.losses ? simulateLoss : simulate;
const counters = new Counters();
const startedMs = performance.now();
let [failed, operations, acknowledged, steps, undecided, silenceMs, commandMs, virtualMs] = [0, 0, 0, 0, 0, 0, 0, 0];

for (let seed = settings.seed; seed < settings.seed + settings.seeds; seed++) {
  const outcome = await run({
    ...settings,
    seed,
    onLine: settings.trace ? (line) => console.log(line) : undefined,
  });
  counters.add(outcome.counters);
  operations += outcome.operations;
  acknowledged += outcome.acknowledged;
  steps += outcome.steps;
  undecided += outcome.undecided;
  virtualMs += outcome.virtualMs;
  silenceMs = Math.max(silenceMs, outcome.longestSilenceMs);
  commandMs = Math.max(commandMs, outcome.longestCommandMs);
  if (outcome.violations.length > 0) {
    failed += 1;
    report(outcome);
  }
  showProgress(seed - settings.seed + 1);
}
summarize();
if (failed > 0) process.exitCode = 1;

function report({ seed, violations, tail, schedule }: SimulationOutcome): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  console.log(`\nseed ${seed} broke a promise (faults: ${schedule.enabled.join(', ')})`);
  for (const { check, what } of violations.slice(0, violationsShown)) console.log(`  ${check}: ${what}`);
  if (!settings.trace) for (const line of tail) console.log(`    ${line}`);
  console.log(`  replay: ${replayCommand(settings, seed)}\n`);
}

function showProgress(done: number): void {
  if (settings.trace) return;
  const perSecond = (done * 1_000) / (performance.now() - startedMs);
  const text = `${done} of ${settings.seeds} seeds, ${failed} failed, ${perSecond.toFixed(1)} a second`;
  if (process.stderr.isTTY) {
    const width = 30;
    const filled = Math.round((width * done) / settings.seeds);
    process.stderr.write(`\r[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${text}`);
    if (done === settings.seeds) process.stderr.write('\n');
  } else if (done === settings.seeds || done % Math.max(1, Math.floor(settings.seeds / 10)) === 0) {
    console.error(text);
  }
}

function summarize(): void {
  const seconds = (performance.now() - startedMs) / 1_000;
  console.log(
    `${settings.seeds} seeds, ${failed} failed · ${(virtualMs / 3_600_000).toFixed(1)} virtual hours in ${seconds.toFixed(0)} s · ${steps} steps`,
  );
  console.log(`${operations} operations, ${acknowledged} answered · ${undecided} histories undecided`);
  console.log(
    `longest silence ${(silenceMs / 1_000).toFixed(1)} s · longest command ${(commandMs / 1_000).toFixed(1)} s`,
  );
  for (const [what, count] of counters.entries()) console.log(`  ${String(count).padStart(8)}  ${what}`);
}
