/** Which address means what, and which methods it knows. Look-ups are by position and in maps, never in objects. */

import type { ActorRoutes } from './actor-routes.ts';
import type { BackupRoute } from './backup-route.ts';
import type { ClusterRoutes } from './cluster-routes.ts';
import type { CommandRoute } from './command-route.ts';
import type { Dashboard } from './dashboard.ts';
import type { DeadLetterRoutes } from './dead-letter-routes.ts';
import type { Exchange } from './exchange.ts';

export interface Routes {
  readonly commands: CommandRoute;
  readonly actors: ActorRoutes;
  readonly cluster: ClusterRoutes;
  readonly backup: BackupRoute;
  readonly deadLetters: DeadLetterRoutes;
  readonly dashboard: Dashboard;
  readonly metrics: (exchange: Exchange) => void;
}

/** Answers the exchange, or throws or rejects with what it is to be answered with. */
export type Handler = (
  routes: Routes,
  exchange: Exchange,
  query: string,
  segments: readonly string[],
) => void | boolean | Promise<void>;

export interface Route {
  readonly methods: ReadonlyMap<string, Handler>;
  /** For the `Allow` header. */
  readonly allow: readonly string[];
  /** Whether it is answered without a token, because it tells nothing. */
  readonly isOpen: boolean;
}

function route(methods: Readonly<Record<string, Handler>>, isOpen = false): Route {
  const all = new Map(Object.entries(methods));
  const get = all.get('GET');
  if (get) all.set('HEAD', get);
  return { methods: all, allow: [...all.keys(), 'OPTIONS'], isOpen };
}

const command = route({ POST: (r, x, q, s) => r.commands.run(x, q, s[2]!, s[3]!, s[4]!) });
const page = route({ GET: (r, x) => r.dashboard.serve(x, 'index.html') }, true);
const asset = route({ GET: (r, x, _q, s) => r.dashboard.serve(x, s[1]!) }, true);
const health = route({ GET: (r, x) => r.cluster.healthy(x) }, true);
const ready = route({ GET: (r, x) => r.cluster.ready(x) }, true);
const metrics = route({ GET: (r, x) => r.metrics(x) });
const types = route({ GET: (r, x, q) => r.actors.types(x, q) });
const list = route({ GET: (r, x, q, s) => r.actors.list(x, q, s[2]!) });
const actor = route({
  GET: (r, x, q, s) => r.actors.inspect(x, q, s[2]!, s[3]!),
  DELETE: (r, x, q, s) => r.actors.delete(x, q, s[2]!, s[3]!),
});
const actorVerbs: ReadonlyMap<string, Route> = new Map([
  ['events', route({ GET: (r, x, q, s) => r.actors.events(x, q, s[2]!, s[3]!) })],
  ['passivate', route({ POST: (r, x, q, s) => r.actors.passivate(x, q, s[2]!, s[3]!) })],
  ['resume', route({ POST: (r, x, q, s) => r.actors.resume(x, q, s[2]!, s[3]!) })],
]);
const deadLetters = route({ GET: (r, x, q) => r.deadLetters.list(x, q) });
const deadLetter = route({ DELETE: (r, x, q, s) => r.deadLetters.drop(x, q, s[2]!) });
const resend = route({ POST: (r, x, q, s) => r.deadLetters.resend(x, q, s[2]!) });
const cluster = route({ GET: (r, x, q) => r.cluster.cluster(x, q) });
const shards = route({ GET: (r, x, q) => r.cluster.shards(x, q) });
const recovery = route({
  GET: (r, x, q) => r.cluster.recovery(x, q),
  POST: (r, x, q) => r.cluster.acceptLoss(x, q),
});
const backup = route({ POST: (r, x, q) => r.backup.take(x, q) });
const member = route({ DELETE: (r, x, q, s) => r.cluster.remove(x, q, s[3]!) });
const drain = route({ POST: (r, x, q, s) => r.cluster.drain(x, q, s[3]!) });
const top: ReadonlyMap<string, Route> = new Map([
  ['', page],
  ['healthz', health],
  ['readyz', ready],
  ['metrics', metrics],
]);

/** @param segments decoded, as `parseRequestPath` gives them */
export function findRoute(segments: readonly string[]): Route | undefined {
  const count = segments.length;
  if (segments[0] === 'v1') {
    if (segments[1] === 'actors') {
      switch (count) {
        case 2:
          return types;
        case 3:
          return list;
        case 4:
          return actor;
        case 5:
          return command;
        case 6:
          return segments[4] === '-' ? actorVerbs.get(segments[5]!) : undefined;
        default:
          return undefined;
      }
    }
    if (segments[1] === 'dead-letters') return findDeadLetterRoute(segments);
    return segments[1] === 'cluster' ? findClusterRoute(segments) : undefined;
  }
  if (count === 1) return top.get(segments[0]!);
  return count === 2 && segments[0] === '-' ? asset : undefined;
}

function findDeadLetterRoute(segments: readonly string[]): Route | undefined {
  if (segments.length === 2) return deadLetters;
  if (segments.length === 3) return deadLetter;
  return segments.length === 4 && segments[3] === 'resend' ? resend : undefined;
}

function findClusterRoute(segments: readonly string[]): Route | undefined {
  if (segments.length === 2) return cluster;
  if (segments.length === 3) {
    if (segments[2] === 'shards') return shards;
    if (segments[2] === 'recovery') return recovery;
    return segments[2] === 'backup' ? backup : undefined;
  }
  if (segments[2] !== 'members') return undefined;
  if (segments.length === 4) return member;
  return segments.length === 5 && segments[4] === 'drain' ? drain : undefined;
}
