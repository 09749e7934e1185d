/** `greenroom/client`: calling actors from outside the cluster. Runs in Node and in browsers. */
export type { ActorRef, ActorType, Client } from '../actors/actor.ts';
export type { Duration } from '../core/duration.ts';
export { type ErrorCode, GreenroomError, type Issue, Rejection } from '../core/errors.ts';
export {
  type ActorEventOf,
  type ActorInspection,
  type CallOptions,
  type ConnectOptions,
  connect,
  type EventOptions,
  type RemoteClient,
} from './connect.ts';
export type { ActorEvent } from './event-feed.ts';
