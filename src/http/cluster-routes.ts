/** `/v1/cluster`, and what probes ask. */
import type { Gateway, Readiness } from '../cluster/gateway.ts';
import { GreenroomError } from '../core/errors.ts';
import { parseNodeName } from '../core/ids.ts';
import type { Exchange } from './exchange.ts';
import { parseQuery } from './request-path.ts';

export class ClusterRoutes {
  readonly #gateway: Gateway;
  /** Probes that come while one is answered share its answer: they cost one canary question however many ask. */
  #readiness: Promise<Readiness> | undefined;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** `GET /v1/cluster` */
  cluster(exchange: Exchange, query: string): void {
    parseQuery(query, []);
    exchange.json(200, this.#gateway.cluster());
  }

  /** `GET /v1/cluster/shards` */
  shards(exchange: Exchange, query: string): void {
    parseQuery(query, []);
    exchange.json(200, { shards: this.#gateway.shards() });
  }

  /** `POST /v1/cluster/members/{node}/drain` */
  async drain(exchange: Exchange, query: string, node: string): Promise<void> {
    parseQuery(query, []);
    exchange.mayHaveActed = true;
    await this.#gateway.drain(parseNodeName(node));
    exchange.empty(202);
  }

  /** `DELETE /v1/cluster/members/{node}` */
  async remove(exchange: Exchange, query: string, node: string): Promise<void> {
    parseQuery(query, []);
    exchange.mayHaveActed = true;
    await this.#gateway.remove(parseNodeName(node));
    exchange.empty(202);
  }

  /** `GET /healthz`: this process answers. */
  healthy(exchange: Exchange): void {
    exchange.json(200, { status: 'ok' });
  }

  /** `GET /readyz`: the member is up, its shards serve, and a question to an actor was answered just now. */
  async ready(exchange: Exchange): Promise<void> {
    this.#readiness ??= this.#gateway.readiness().finally(() => {
      this.#readiness = undefined;
    });
    const readiness = await this.#readiness;
    if (!readiness.ready) throw new GreenroomError('UNAVAILABLE', `not ready: ${readiness.reason}`);
    exchange.json(200, { status: 'ready' });
  }
}
