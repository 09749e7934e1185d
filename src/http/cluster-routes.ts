/** `/v1/cluster`, and what probes ask. */
import type { ClusterInfo, Gateway, LossRequest, Readiness } from '../cluster/gateway.ts';
import { GreenroomError } from '../core/errors.ts';
import { parseNodeName } from '../core/ids.ts';
import type { Exchange } from './exchange.ts';
import { readInput } from './request-body.ts';
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

  /** `GET /v1/cluster/recovery` */
  recovery(exchange: Exchange, query: string): void {
    parseQuery(query, []);
    exchange.json(200, this.#gateway.recovery());
  }

  /** `POST /v1/cluster/recovery` */
  acceptLoss(exchange: Exchange, query: string): void {
    parseQuery(query, []);
    readInput(exchange, (input) => {
      const accept = async () => {
        const request = lossRequestOf(input);
        exchange.mayHaveActed = true;
        exchange.json(200, await this.#gateway.acceptLoss(request));
      };
      accept().catch((error) => exchange.fail(error));
    });
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
    const minority = minorityText(this.#gateway.cluster());
    if (minority !== undefined) throw new GreenroomError('UNAVAILABLE', `not ready: ${minority}`);
    if (!readiness.ready) throw new GreenroomError('UNAVAILABLE', `not ready: ${readiness.reason}`);
    exchange.json(200, { status: 'ready' });
  }
}

const lossForm =
  'the body is {"acceptLoss": true, "lost": ["<node>", …], "shards": [<number>, …]}; shards may be left out';

/** Nothing is given up by a body that does not say so, nor by one that says more than is understood. */
function lossRequestOf(input: unknown): LossRequest {
  const body = new Map(typeof input === 'object' && input !== null ? Object.entries(input) : []);
  const [lost = [], shards] = [body.get('lost'), body.get('shards')];
  const isList = (value: unknown, of: string) => Array.isArray(value) && value.every((each) => typeof each === of);
  const isUnderstood = [...body.keys()].every((key) => ['acceptLoss', 'lost', 'shards'].includes(key));
  if (body.get('acceptLoss') !== true || !isUnderstood || !isList(lost, 'string'))
    throw new GreenroomError('BAD_REQUEST', lossForm);
  if (shards !== undefined && !isList(shards, 'number')) throw new GreenroomError('BAD_REQUEST', lossForm);
  return { lost: (lost as string[]).map(parseNodeName), shards: shards as number[] | undefined };
}

/** Why a node that is cut off from most of its cluster is not ready; undefined if it is not. */
function minorityText({ node, leader, members }: ClusterInfo): string | undefined {
  if (leader !== null) return undefined;
  const missing = members.filter((member) => (member as { reachable?: boolean }).reachable === false);
  if ((members.length - missing.length) * 2 > members.length || missing.length === 0) return undefined;
  const names = missing.map((member) => member.node).join(', ');
  return `${node} is cut off from most of its cluster: of ${members.length} members it does not reach ${names}, so it serves nothing until they are back`;
}
