/**
 * `POST /v1/cluster/backup`: a backup of everything committed at this moment, as a stream that goes as fast as its
 * caller takes it. One at a time: each keeps the disk busy and what it reads from being dropped.
 *
 * It is a POST, though it changes nothing: no link or picture on a page can ask for it.
 */
import type { Gateway } from '../cluster/gateway.ts';
import type { Clock } from '../core/clock.ts';
import { GreenroomError } from '../core/errors.ts';
import { backupMediaType } from '../persistence/backup/backup-format.ts';
import { encodeStopped } from '../persistence/backup/encode-backup.ts';
import { untilTaken } from './caller-pace.ts';
import type { Exchange } from './exchange.ts';
import { parseQuery } from './request-path.ts';

export class BackupRoute {
  readonly #gateway: Gateway;
  readonly #clock: Clock;
  #isTaken = false;

  constructor(gateway: Gateway, clock: Clock) {
    this.#gateway = gateway;
    this.#clock = clock;
  }

  /** @throws GreenroomError `OVERLOADED` while another is being taken */
  async take(exchange: Exchange, query: string): Promise<void> {
    parseQuery(query, []);
    if (this.#isTaken) throw new GreenroomError('OVERLOADED', 'a backup of this node is already being taken');
    this.#isTaken = true;
    const gone = new AbortController();
    const leave = () => gone.abort();
    exchange.response.once('close', leave);
    exchange.response.on('error', leave);
    try {
      const pieces = await this.#gateway.backup();
      const headers = exchange.commonHeaders();
      headers.push('Content-Type', backupMediaType);
      exchange.context.inFlight.count(200);
      exchange.response.writeHead(200, headers);
      await this.#write(exchange, pieces, gone.signal);
    } finally {
      this.#isTaken = false;
    }
  }

  async #write(exchange: Exchange, pieces: AsyncIterable<Uint8Array>, gone: AbortSignal): Promise<void> {
    const { response, context } = exchange;
    try {
      for await (const piece of pieces) {
        if (gone.aborted) return;
        if (context.isClosing) throw new GreenroomError('UNAVAILABLE', 'the node is stopping');
        if (!response.write(piece)) await untilTaken(response, this.#clock, gone);
      }
    } catch (error) {
      const isExpected = error instanceof GreenroomError;
      if (isExpected) context.log.warn('a backup ended early', { reason: error.message });
      else context.log.error('a backup ended early', { error });
      // Too late for a status: the stream says it itself.
      if (!gone.aborted) response.write(encodeStopped((error as Error).message));
    }
    response.end();
  }
}
