/** Greenroom: persistent actors in one npm install. This is the whole public surface of the package's main entry. */
export {
  type Accepts,
  Actor,
  type ActorClass,
  type ActorOptions,
  type ActorRef,
  type ActorType,
  type Client,
  type CommandName,
  DurableStateActor,
  type DurableStateModel,
  durableState,
  type EventOf,
  EventSourcedActor,
  type EventSourcedModel,
  type EventsOf,
  eventSourced,
  type Head,
  type Immutable,
  type ImmutableArray,
  type InputOf,
  type NotPlainData,
  type OneInputOnly,
  type OwnCommands,
  type OwnTimers,
  PersistentActor,
  type PersistentActorOptions,
  type Plain,
  type PlainArray,
  type StandardSchema,
  type StateOf,
  type Tell,
  type TimerOptions,
} from './actors/actor.ts';
export { type BroadcastOptions, type BroadcastTargets, broadcast } from './actors/broadcast.ts';
export type { MissedPolicy, When } from './actors/reminder-schedule.ts';
export type { ReminderInfo } from './actors/reminders.ts';
export type {
  ActorStatus,
  ActorSummary,
  ActorTypeInfo,
  ClusterInfo,
  CommandAnswer,
  CommandRequest,
  DeadLetter,
  Gateway,
  Inspection,
  MemberInfo,
  PublicEvent,
  ShardInfo,
} from './cluster/gateway.ts';
export type { NodeOptions, TlsOptions } from './cluster/node-options.ts';
export type { Duration } from './core/duration.ts';
export { type ErrorCode, errorCodes, GreenroomError, type Issue, Rejection } from './core/errors.ts';
export type { Log } from './core/log.ts';
export { JournalError, type JournalErrorCode } from './persistence/journal-error.ts';
export { type GreenroomNode, startNode } from './start-node.ts';
