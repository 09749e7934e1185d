/** `/v1/dead-letters`: what could not be delivered, and what an operator makes of it. */
import type { Gateway } from '../cluster/gateway.ts';
import { parseActorId } from '../core/ids.ts';
import type { Exchange } from './exchange.ts';
import { pageLimitDefault, pageLimitMax } from './limits.ts';
import { parseQuery, parseWhole } from './request-path.ts';

export class DeadLetterRoutes {
  readonly #gateway: Gateway;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** `GET /v1/dead-letters?after=&limit=`, oldest first. */
  async list(exchange: Exchange, query: string): Promise<void> {
    const parameters = parseQuery(query, ['after', 'limit']);
    const limit = parseWhole('limit', parameters.get('limit'), 1, pageLimitMax) ?? pageLimitDefault;
    const after = parameters.get('after') || undefined;
    const deadLetters = await this.#gateway.deadLetters({ after: after && parseActorId(after), limit });
    const last = deadLetters.length < limit ? undefined : deadLetters.at(-1)?.id;
    const isLast = last === undefined || (await this.#gateway.deadLetters({ after: last, limit: 1 })).length === 0;
    exchange.json(200, isLast ? { deadLetters } : { deadLetters, next: last });
  }

  /** `POST /v1/dead-letters/{id}/resend` */
  async resend(exchange: Exchange, query: string, id: string): Promise<void> {
    parseQuery(query, []);
    exchange.mayHaveActed = true;
    await this.#gateway.resendDeadLetter(parseActorId(id));
    exchange.empty(204);
  }

  /** `DELETE /v1/dead-letters/{id}` */
  async drop(exchange: Exchange, query: string, id: string): Promise<void> {
    parseQuery(query, []);
    exchange.mayHaveActed = true;
    await this.#gateway.dropDeadLetter(parseActorId(id));
    exchange.empty(204);
  }
}
