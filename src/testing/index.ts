/** `greenroom/testing`: tests of actors without a server, time without waiting, and the suites that stores pass. */
export { MemoryDisk } from '../persistence/memory-disk.ts';
export { MemoryJournal, type MemoryJournalOptions } from '../persistence/memory-journal.ts';
export {
  type AnswersOf,
  type Given,
  type GivenOptions,
  given,
  type History,
  type OldEvent,
  OldState,
  type Outcome,
  oldState,
  type ReplyOf,
} from './given.ts';
export { type JournalSuiteOptions, type JournalUnderTest, journalSuite } from './journal-suite.ts';
export { type Told, UnansweredAsk } from './rehearsal.ts';
export { ReplayError } from './replay-check.ts';
export { startTestNode, TestNode, type TestNodeOptions } from './test-node.ts';
export { VirtualClock, type VirtualClockOptions, virtualStartMs } from './virtual-clock.ts';
