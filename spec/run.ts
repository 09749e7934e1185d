/**
 * Runs the specification: types, a bounded random simulation of the protocol as it is, and one per deliberate mistake,
 * each of which must break an invariant. `SAMPLES` and `SEED` change how many random runs, and which.
 *
 * Quint is no dependency of the project: it is installed into a scratch folder, once, through npm.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const quintVersion = '0.33.1';
const samples = process.env.SAMPLES ?? '150';
const seed = process.env.SEED ?? '0x6e9e0656b528';
const stepsMax = '250';
const here = import.meta.dirname;
const file = join(here, 'mistakes.qnt');
const mistakes = [
  'noFence',
  'minoritySeal',
  'serveBeforeActivate',
  'resumeTheSameEpoch',
  'commitBeforeActivate',
  'noReadCheck',
];
/** More random runs for a mistake than for the protocol as it is: the first violation ends them. */
const samplesPerMistake = '2000';

function installed(): string {
  const folder = join(tmpdir(), `greenroom-quint-${quintVersion}-${process.getuid?.() ?? 'user'}`);
  const quint = join(folder, 'node_modules', '.bin', 'quint');
  if (existsSync(quint)) return quint;
  console.log(`installing Quint ${quintVersion} into ${folder}`);
  mkdirSync(folder, { recursive: true });
  // Its parser asks for a range of antlr4ts that npm resolves to nothing.
  const overrides = { antlr4ts: '0.5.0-alpha.4' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, overrides }));
  const npm = spawnSync('npm', ['install', '--no-audit', '--no-fund', `@informalsystems/quint@${quintVersion}`], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (npm.status !== 0 || !existsSync(quint)) {
    console.error(
      `${npm.stderr ?? ''}\nQuint could not be installed: the specification was not run. It needs the npm registry.`,
    );
    process.exit(2);
  }
  return quint;
}

interface Outcome {
  readonly status: number;
  readonly text: string;
  readonly seconds: number;
}

const quint = installed();

function run(options: readonly string[]): Outcome {
  const startedMs = performance.now();
  const { status, stdout, stderr } = spawnSync(quint, options, { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });
  return { status: status ?? 1, text: stdout + stderr, seconds: (performance.now() - startedMs) / 1000 };
}

function simulate(module: string, samplesMax: string, more: readonly string[] = []): Outcome {
  const options = ['--backend=typescript', `--main=${module}`, '--invariant=safe', `--max-steps=${stepsMax}`];
  return run(['run', file, ...options, `--max-samples=${samplesMax}`, `--seed=${seed}`, '--verbosity=1', ...more]);
}

let failures = 0;
function report(isAsExpected: boolean, title: string, { text, seconds }: Outcome): void {
  console.log(`${isAsExpected ? 'ok  ' : 'FAIL'} ${title.padEnd(60)} ${seconds.toFixed(1)} s`);
  if (isAsExpected) return;
  failures += 1;
  console.log(text);
}

const typed = run(['typecheck', file]);
report(typed.status === 0, 'types', typed);

const witnesses = ['hasServedTwice', 'hasAcknowledged', 'hasThreeEpochs', 'hasTwoServing'];
for (const [step, title] of [
  ['step', 'any step'],
  ['stepUnaware', 'old owners unaware'],
]) {
  const outcome = simulate('correct', samples, [`--step=${step}`, '--witnesses', ...witnesses]);
  const isSafe = outcome.status === 0 && outcome.text.includes('[ok]');
  report(isSafe, `the protocol, ${title}: ${samples} runs of ${stepsMax} steps`, outcome);
  for (const line of outcome.text.split('\n')) if (line.includes('witnessed in')) console.log(`     ${line}`);
}

for (const mistake of mistakes) {
  const outcome = simulate(mistake, samplesPerMistake);
  report(outcome.text.includes('[violation]'), `${mistake} breaks an invariant`, outcome);
}
process.exitCode = failures === 0 ? 0 : 1;
