/**
 * The HTTP edge: one `node:http` listener in front of a {@link Gateway}. It parses, refuses and formats; it decides
 * nothing about actors. No framework: a command costs one listener call, one look-up and one write.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Gateway } from '../cluster/gateway.ts';
import type { Clock } from '../core/clock.ts';
import { GreenroomError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { ActorRoutes } from './actor-routes.ts';
import { BackupRoute } from './backup-route.ts';
import { ClusterRoutes } from './cluster-routes.ts';
import { CommandRoute } from './command-route.ts';
import { Dashboard } from './dashboard.ts';
import { DeadLetterRoutes } from './dead-letter-routes.ts';
import { EventStreams } from './event-stream.ts';
import { type EdgeContext, Exchange } from './exchange.ts';
import { InFlight } from './in-flight.ts';
import {
  connectionsMax,
  headerBytesMax,
  headersTimeoutMs,
  keepAliveMs,
  pipelinedRequestsMax,
  requestTimeoutMs,
} from './limits.ts';
import { answerMalformed } from './malformed-request.ts';
import { metricsMediaType, renderMetrics } from './metrics-page.ts';
import { OriginGuard, preflightHeaders } from './origin-guard.ts';
import { shorten } from './problem.ts';
import { ProcessMetrics } from './process-metrics.ts';
import { parseRequestPath } from './request-path.ts';
import { findRoute, type Route, type Routes } from './router.ts';
import { TokenGuard } from './tokens.ts';

export interface HttpOptions {
  readonly gateway: Gateway;
  /** Where to listen. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Bearer tokens that may call; undefined: everyone may. */
  readonly tokens?: readonly string[] | undefined;
  /** Foreign origins that browsers may call from; `*` for every one. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Names beside the loopback ones that `Host` may carry on loopback. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Certificate and key in PEM: HTTPS, and no plain HTTP. Callers prove themselves by tokens, not by certificates. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  readonly log: Log;
  readonly clock: Clock;
}

export interface HttpEdge {
  /** `http://<host>:<port>` (with TLS `https://`), as a caller on this machine reaches it. */
  readonly url: string;
  readonly port: number;
  /**
   * Stops accepting, ends event streams, lets requests in progress finish for `graceMs`, then closes what is left.
   * May be called again; the first call decides.
   */
  close(graceMs: number): Promise<void>;
}

/** Starts to listen. @throws Error with `code` `EADDRINUSE`, `EACCES` or `EADDRNOTAVAIL` */
export async function startHttp(options: HttpOptions): Promise<HttpEdge> {
  const edge = new Edge(options);
  await edge.listen(options.host, options.port);
  return edge;
}

const connectionOptions = {
  maxHeaderSize: headerBytesMax,
  headersTimeout: headersTimeoutMs,
  requestTimeout: requestTimeoutMs,
  keepAliveTimeout: keepAliveMs,
  connectionsCheckingInterval: 1_000,
  noDelay: true,
} as const;

/** Unanswered requests per connection; a property of the socket would be another shape of object. */
const unanswered = new WeakMap<Socket, { count: number }>();

class Edge implements HttpEdge {
  readonly #routes: Routes;
  readonly #context: EdgeContext;
  readonly #origins: OriginGuard;
  readonly #tokens: TokenGuard;
  readonly #streams: EventStreams;
  readonly #process = new ProcessMetrics();
  readonly #scheme: 'http' | 'https';
  readonly #server: Server;
  #connections = 0;
  #whenIdle: (() => void) | undefined;
  #closed: Promise<void> | undefined;
  url = '';
  port = 0;

  constructor(options: HttpOptions) {
    const { gateway, log, clock } = options;
    this.#context = { log, clock, inFlight: new InFlight(), isClosing: false };
    this.#streams = new EventStreams(gateway, clock);
    this.#routes = {
      commands: new CommandRoute(gateway, randomBytes(6).toString('hex')),
      actors: new ActorRoutes(gateway, this.#streams),
      cluster: new ClusterRoutes(gateway),
      backup: new BackupRoute(gateway, clock),
      deadLetters: new DeadLetterRoutes(gateway),
      dashboard: new Dashboard(),
      metrics: (exchange) => {
        const series = [
          ...gateway.metrics(),
          ...this.#context.inFlight.metrics(this.#connections),
          ...this.#process.samples(),
        ];
        exchange.text(200, metricsMediaType, renderMetrics(series));
      },
    };
    this.#origins = new OriginGuard({
      host: options.host,
      corsOrigins: options.corsOrigins ?? [],
      allowedHosts: options.allowedHosts ?? [],
    });
    this.#tokens = new TokenGuard(options.tokens);
    this.#scheme = options.tls ? 'https' : 'http';
    this.#server = options.tls
      ? createSecureServer({
          ...connectionOptions,
          cert: options.tls.cert,
          key: options.tls.key,
          handshakeTimeout: headersTimeoutMs,
        })
      : createServer(connectionOptions);
    this.#server.maxConnections = connectionsMax;
    this.#server.on('request', (request, response) => this.#take(request, response, false));
    this.#server.on('checkContinue', (request, response) => this.#take(request, response, true));
    this.#server.on('clientError', answerMalformed);
    this.#server.on('connection', (socket) => this.#countConnection(socket));
  }

  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        // From now on: a connection that could not be accepted, for want of file descriptors say. The others go on.
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#context.log.error('a connection could not be accepted', { error }));
        this.#process.start();
        this.port = (this.#server.address() as AddressInfo).port;
        const reachable =
          host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
        this.url = `${this.#scheme}://${reachable}:${this.port}`;
        resolve();
      });
    });
  }

  close(graceMs: number): Promise<void> {
    this.#closed ??= this.#stop(graceMs);
    return this.#closed;
  }

  async #stop(graceMs: number): Promise<void> {
    this.#context.isClosing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#streams.close();
    await new Promise<void>((resolve) => {
      if (this.#context.inFlight.requests === 0) return resolve();
      const cancel = this.#context.clock.schedule(graceMs, resolve);
      this.#whenIdle = () => {
        cancel();
        resolve();
      };
    });
    this.#server.closeIdleConnections();
    this.#server.closeAllConnections();
    await closed;
    this.#process.close();
  }

  #countConnection(socket: Socket): void {
    this.#connections += 1;
    socket.once('close', () => {
      this.#connections -= 1;
    });
  }

  #take(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const exchange = new Exchange(request, response, this.#context);
    exchange.awaitsContinue = awaitsContinue;
    if (!this.#admit(exchange)) return;
    try {
      this.#dispatch(exchange);
    } catch (error) {
      exchange.fail(error);
    }
  }

  /** Counts the request until its answer is written or its caller gone. */
  #admit(exchange: Exchange): boolean {
    const { socket } = exchange.request;
    let pipelined = unanswered.get(socket);
    if (pipelined === undefined) {
      pipelined = { count: 0 };
      unanswered.set(socket, pipelined);
    }
    const inFlight = this.#context.inFlight;
    inFlight.requests += 1;
    pipelined.count += 1;
    exchange.response.once('close', () => {
      inFlight.releaseBody(exchange);
      inFlight.requests -= 1;
      pipelined.count -= 1;
      if (inFlight.requests === 0) this.#whenIdle?.();
    });
    if (pipelined.count <= pipelinedRequestsMax) return true;
    socket.destroy();
    return false;
  }

  #dispatch(exchange: Exchange): void {
    const { request } = exchange;
    exchange.corsOrigin = this.#origins.check(request.headers);
    const { segments, query } = parseRequestPath(request.url!);
    const route = findRoute(segments);
    if (route === undefined) throw notFound(request.url!);
    if (request.method === 'OPTIONS') {
      answerOptions(exchange, route);
      return;
    }
    const handler = route.methods.get(request.method!);
    if (handler === undefined) {
      const error = new GreenroomError('METHOD_NOT_ALLOWED', `${request.method} is not for this address`);
      exchange.fail(error, ['Allow', route.allow.join(', ')]);
      return;
    }
    if (!route.isOpen) this.#tokens.check(request.headers.authorization);
    if (this.#context.isClosing) throw new GreenroomError('UNAVAILABLE', 'this node is stopping; ask another');
    const outcome = handler(this.#routes, exchange, query, segments);
    if (outcome === false) throw notFound(request.url!);
    if (outcome instanceof Promise) outcome.catch((error) => exchange.fail(error));
  }
}

function notFound(url: string): GreenroomError {
  return new GreenroomError('NOT_FOUND', `nothing is at ${shorten(url)}`);
}

function answerOptions(exchange: Exchange, route: Route): void {
  const headers = ['Allow', route.allow.join(', ')];
  if (exchange.corsOrigin !== undefined) {
    headers.push(...preflightHeaders(route.allow));
  }
  exchange.empty(204, headers);
}
