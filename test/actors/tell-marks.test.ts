/** What a receiver remembers of its senders: enough to answer a repeated delivery without looking into its history. */
import { expect, test } from 'vitest';
import type { Activation } from '../../src/actors/activation.ts';
import type { Envelope } from '../../src/actors/envelope.ts';
import { answerFromRecord } from '../../src/actors/replayed-answer.ts';
import { TellMarks } from '../../src/actors/tell-marks.ts';

const tell = (number: number, senderId = 's') => ({ senderType: 'Sender', senderId, number });

test('a tell is covered once it, or a later one of its sender, was recorded', () => {
  const marks = new TellMarks();
  marks.advance(tell(3), false);
  expect(marks.covers(tell(2))).toBe(true);
  expect(marks.covers(tell(3))).toBe(true);
  expect(marks.covers(tell(4))).toBe(false);
  expect(marks.covers(tell(1, 'other'))).toBe(false);
});

test('nothing after the newest refusal of a sender can have been refused', () => {
  const marks = new TellMarks();
  marks.advance(tell(1), false);
  expect(marks.mayHaveRefused(tell(1))).toBe(false);
  marks.advance(tell(2), true);
  marks.advance(tell(3), false);
  expect([1, 2, 3].map((number) => marks.mayHaveRefused(tell(number)))).toEqual([true, true, false]);
  const restored = new TellMarks();
  for (const mark of marks.all()) restored.restore(mark);
  expect([1, 2, 3].map((number) => restored.mayHaveRefused(tell(number)))).toEqual([true, true, false]);
});

test('what is not known may have been: before the first tell that is remembered, and in a snapshot that did not count', () => {
  const marks = new TellMarks();
  marks.advance(tell(7), false);
  expect([6, 7].map((number) => marks.mayHaveRefused(tell(number)))).toEqual([true, false]);
  const old = new TellMarks();
  old.restore(tell(7));
  expect(old.mayHaveRefused(tell(7))).toBe(true);
  old.advance(tell(8), false);
  expect([7, 8].map((number) => old.mayHaveRefused(tell(number)))).toEqual([true, false]);
});

test('a delivery that is repeated is answered without a look into the history, unless one of its sender was refused', () => {
  const marks = new TellMarks();
  const answers: string[] = [];
  const activation = {
    memory: { marks, newest: 1_000 },
    log: {
      read() {
        throw new Error('read');
      },
    },
    host: { metrics: { replayedAnswers: 0 } },
    answer: (_: unknown, reply: unknown) => answers.push(String(reply)),
  } as unknown as Activation;
  const repeated = (number: number) =>
    answerFromRecord(activation, { delivery: { ...tell(number), previous: 0 } } as unknown as Envelope);
  marks.advance(tell(1), false);
  expect(repeated(1)).toBe(true);
  expect(answers).toEqual(['undefined']);
  marks.advance(tell(2), true);
  expect(() => repeated(2)).toThrow('read');
});
