/** What clients ask of diaries: drawn so that reminders are replaced and forgotten before, while and after they are due. */
import type { Random } from '../../core/random.ts';
import { between, chance, pick, spread } from './random-choices.ts';
import type { Plan } from './workload-diary.ts';

export type DiaryCommand =
  | { readonly command: 'report' }
  | { readonly command: 'plan'; readonly input: Plan }
  | { readonly command: 'forgetPlan'; readonly input: Pick<Plan, 'token' | 'name'> };

const names = ['morning', 'noon', 'evening', 'night'] as const;

/** @param token unique: the command is known by it */
export function randomDiaryCommand(random: Random, token: string): DiaryCommand {
  const dice = random.next();
  if (dice < 0.25) return { command: 'report' };
  const name = pick(random, names);
  if (dice < 0.45) return { command: 'forgetPlan', input: { token, name } };
  return { command: 'plan', input: randomPlan(random, token, name) };
}

function randomPlan(random: Random, token: string, name: string): Plan {
  const missed = pick(random, ['all', 'skip', 'fire-once'] as const);
  const throwsForMs = chance(random, 0.15) ? between(random, 1, 2_000) : 0;
  // A tick that was left out has no number: what it asked before that would be counted under the next one's.
  const asks = missed !== 'skip' && chance(random, 0.3);
  const common = { token, name, missed, throwsForMs, asks, thenAfterMs: 0 };
  if (chance(random, 0.45)) {
    const periodMs = Math.round(chance(random, 0.8) ? spread(random, 20, 10_000) : spread(random, 10_000, 90_000));
    // With `skip` one that is late would be gone without a trace.
    return { ...common, kind: 'after', missed: missed === 'skip' ? 'all' : missed, periodMs, ticksMax: 1 };
  }
  const thenAfterMs = chance(random, 0.2) ? between(random, 0, 5_000) : 0;
  const series = { ...common, ticksMax: between(random, 1, 6), thenAfterMs };
  if (chance(random, 0.2)) return { ...series, kind: 'cron', periodMs: pick(random, [1_000, 2_000, 5_000]) };
  return { ...series, kind: 'every', periodMs: Math.round(spread(random, 300, 20_000)) };
}
