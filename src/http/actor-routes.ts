/** Everything under `/v1/actors` that is not a command: listing, inspecting, events, passivating, deleting. */
import type { Gateway } from '../cluster/gateway.ts';
import { parseActorId } from '../core/ids.ts';
import { checkNames } from './command-route.ts';
import type { EventStreams } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import { pageLimitDefault, pageLimitMax } from './limits.ts';
import { parseQuery, parseWhole } from './request-path.ts';

export class ActorRoutes {
  readonly #gateway: Gateway;
  readonly #streams: EventStreams;

  constructor(gateway: Gateway, streams: EventStreams) {
    this.#gateway = gateway;
    this.#streams = streams;
  }

  /** `GET /v1/actors` */
  types(exchange: Exchange, query: string): void {
    parseQuery(query, []);
    exchange.json(200, { types: this.#gateway.types() });
  }

  /** `GET /v1/actors/{Type}?after=&limit=` */
  async list(exchange: Exchange, query: string, type: string): Promise<void> {
    checkNames(type);
    const parameters = parseQuery(query, ['after', 'limit']);
    const limit = parseWhole('limit', parameters.get('limit'), 1, pageLimitMax) ?? pageLimitDefault;
    const after = parameters.get('after') || undefined;
    const actors = await this.#gateway.actors(type, { after: after && parseActorId(after), limit });
    const last = actors.length < limit ? undefined : actors.at(-1)?.id;
    const isLast = last === undefined || (await this.#gateway.actors(type, { after: last, limit: 1 })).length === 0;
    exchange.json(200, isLast ? { actors } : { actors, next: last });
  }

  /** `GET /v1/actors/{Type}/{id}?at=` */
  async inspect(exchange: Exchange, query: string, type: string, id: string): Promise<void> {
    checkNames(type);
    const at = parseWhole('at', parseQuery(query, ['at']).get('at'), 0, Number.MAX_SAFE_INTEGER);
    exchange.json(200, await this.#gateway.inspect(type, parseActorId(id), at));
  }

  /** `GET /v1/actors/{Type}/{id}/-/events?after=&limit=`, a page or, by `Accept`, a stream. */
  async events(exchange: Exchange, query: string, type: string, rawId: string): Promise<void> {
    checkNames(type);
    const id = parseActorId(rawId);
    const parameters = parseQuery(query, ['after', 'limit']);
    const after = parseWhole('after', parameters.get('after'), 0, Number.MAX_SAFE_INTEGER) ?? 0;
    const limit = parseWhole('limit', parameters.get('limit'), 1, pageLimitMax) ?? pageLimitDefault;
    if (exchange.request.headers.accept?.includes('text/event-stream')) {
      return this.#streams.follow(exchange, type, id, after);
    }
    const found = await this.#gateway.events(type, id, after, limit + 1);
    const events = found.slice(0, limit);
    exchange.json(200, found.length > limit ? { events, next: events.at(-1)!.sequenceNumber } : { events });
  }

  /** `POST /v1/actors/{Type}/{id}/-/passivate` */
  async passivate(exchange: Exchange, query: string, type: string, id: string): Promise<void> {
    checkNames(type);
    parseQuery(query, []);
    exchange.mayHaveActed = true;
    await this.#gateway.passivate(type, parseActorId(id));
    exchange.empty(204);
  }

  /** `POST /v1/actors/{Type}/{id}/-/resume` */
  async resume(exchange: Exchange, query: string, type: string, id: string): Promise<void> {
    checkNames(type);
    parseQuery(query, []);
    exchange.mayHaveActed = true;
    await this.#gateway.resume(type, parseActorId(id));
    exchange.empty(204);
  }

  /** `DELETE /v1/actors/{Type}/{id}` */
  async delete(exchange: Exchange, query: string, type: string, id: string): Promise<void> {
    checkNames(type);
    parseQuery(query, []);
    exchange.mayHaveActed = true;
    await this.#gateway.delete(type, parseActorId(id));
    exchange.empty(204);
  }
}
