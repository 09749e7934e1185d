/**
 * The tests of the control log are worth what they find: each deliberate mistake of the machine must be caught.
 * `SHOW=1 SEEDS=200` prints in how many lives of the simulation.
 */
import { expect, test } from 'vitest';
import { type ControlMistake, controlMistakes } from '../../../src/cluster/control/control-options.ts';
import { Conversation } from './conversation.ts';
import { simulate } from './simulation.ts';

const seeds = Number(process.env.SEEDS ?? 20);

interface Told {
  readonly course: string;
  /** What a machine without the mistake says in it. */
  readonly instead: RegExp;
}

const long = 'x'.repeat(100);

/** What these need hardly ever happens by chance: it is told step by step. In the end somebody hears two truths. */
const told: Partial<Record<ControlMistake, Told>> = {
  // Figure 8 of the paper: an entry of term 2 is on a majority in term 4, and overwritten in term 5.
  'commits an older term by counting': {
    instead: /c: becameLeader 5/,
    course: `
    start a a b c, start b a b c, start c a b c, tick a, tick b, tick c, campaign a, settle
    propose a ${long}, durable a, lose a, pass 400, tick a, pass 400, tick a, pass 400, tick a, lose a
    campaign c, lose c a, deliver c b, deliver b c, durable c, lose c a, deliver c b, durable b, deliver b c
    durable c, lose c
    campaign a, lose a c, deliver a b, deliver b a, durable a
    campaign a, lose a c, deliver a b, deliver b a, durable a, lose a c, deliver a b, durable b, deliver b a
    durable a, lose a c, deliver a b, durable b, deliver b a, deliver a b, durable b, deliver b a, lose a
    pass 400, tick c, pass 400, tick c, pass 400, tick c, lose c
    campaign c, lose c a, deliver c b, deliver b c, durable c, campaign c, lose c a, deliver c b, deliver b c
    durable c, lose c a, deliver c b, durable b, deliver b c, settle b c, tick c, pass 150, tick c, settle`,
  },
  // Ongaro's flaw of the first one-at-a-time changes: two leaders change the same set, each by one (raft-dev, 2015).
  'voters changed before established': {
    instead: /proposalDropped v2: not established/,
    course: `
    start a a b c d, start b a b c d, start c a b c d, start d a b c d, start e
    tick a, tick b, tick c, tick d, learners a a b c d e, learners b a b c d e, campaign a, settle
    voters a v1 a b c d e, durable a, deliver a e, durable e, lose a
    pass 400, tick a, pass 400, tick a, pass 400, tick a, lose a, campaign b, lose b a, deliver b c, deliver b d, deliver c b, deliver d b
    durable b, lose b a, deliver b c, deliver b d, durable c, durable d, deliver c b, deliver d b
    voters b v2 b c d, durable b, lose b a, lose b d, lose b e, deliver b c, durable c, deliver c b, deliver b c, durable c, deliver c b, lose b
    lose a, campaign a, deliver a d, deliver d a, durable a, lose a
    pass 1500, campaign a, deliver a d, deliver a e, deliver d a, deliver e a
    durable a, deliver a d, deliver a e, durable d, durable e, deliver d a, deliver e a
    durable a, deliver a c, settle a c`,
  },
  'two voter changes at once': {
    instead: /proposalDropped v2: voter change pending/,
    course: `
    start a a b c, start b a b c, start c a b c, start d, start e
    tick a, tick b, tick c, learners a a b c d e, campaign a, settle
    voters a v1 a b c d, voters a v2 a b c d e, propose a x
    durable a, lose a b, lose a c, settle a d e, lose a b, lose a c
    pass 1500, learners b a b c d e, campaign b, lose b a, lose b d, lose b e, settle b c, pass 150, tick b, settle b d`,
  },
};

test.each(controlMistakes.filter((mistake) => !told[mistake]))(
  'in some random life a machine is caught that makes the mistake "%s"',
  { timeout: 3_600_000 },
  (mistake) => {
    const caught: string[] = [];
    for (let seed = 1; seed <= seeds; seed++) {
      const { violations } = simulate(seed, mistake);
      if (violations.length > 0) caught.push(`seed ${seed}: ${violations[0]}`);
    }
    if (process.env.SHOW) console.log(`${mistake}: caught in ${caught.length} of ${seeds} seeds, e.g. ${caught[0]}`);
    expect(caught.length).toBeGreaterThan(0);
  },
);

test.each(Object.entries(told) as [ControlMistake, Told][])(
  'in one course of events a machine is caught that makes the mistake "%s", and one without it is not',
  (mistake, { course, instead }) => {
    const lines = course.trim().split(/,\s*|\n\s*/);
    const follow = (conversation: Conversation) => lines.flatMap((line) => conversation.say(line));
    expect(() => follow(new Conversation(mistake))).toThrow('what is committed stays');
    expect(follow(new Conversation()).join('\n')).toMatch(instead);
  },
);
