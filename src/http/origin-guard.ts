/**
 * Keeps foreign web pages out. A page elsewhere can make a browser send requests here, with or without reading the
 * answers; browsers say so in `Origin`. And a foreign name can be made to resolve to 127.0.0.1 (DNS rebinding), which
 * only `Host` betrays: so a node that listens on loopback answers to loopback names alone.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { GreenroomError } from '../core/errors.ts';
import { shorten } from './problem.ts';

const loopbackName = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether an address to listen on is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return host === '::1' || loopbackName.test(host);
}

export interface OriginGuardOptions {
  /** Where the edge listens. */
  readonly host: string;
  /** Origins that may call from browsers; `*` for every one. */
  readonly corsOrigins: readonly string[];
  /** Names beside the loopback ones that `Host` may carry on loopback. */
  readonly allowedHosts: readonly string[];
}

export class OriginGuard {
  readonly #checksHost: boolean;
  readonly #origins: ReadonlySet<string>;
  readonly #hosts: ReadonlySet<string>;
  /** Nearly every request names the same host. */
  #lastGoodHost: string | undefined;

  constructor(options: OriginGuardOptions) {
    this.#checksHost = isLoopback(options.host);
    this.#origins = new Set(options.corsOrigins.map((origin) => origin.toLowerCase().replace(/\/$/, '')));
    this.#hosts = new Set(options.allowedHosts.map((host) => hostName(host.toLowerCase())));
  }

  /**
   * @returns the foreign origin that may read the answer, for the CORS headers; undefined if there is none
   * @throws GreenroomError `FORBIDDEN`
   */
  check(headers: IncomingHttpHeaders): string | undefined {
    const host = headers.host;
    if (this.#checksHost && host !== this.#lastGoodHost) this.#checkHost(host);
    const origin = headers.origin;
    if (origin === undefined || origin === `http://${host}` || origin === `https://${host}`) return undefined;
    if (this.#origins.has(origin) || this.#origins.has('*')) return origin;
    throw new GreenroomError(
      'FORBIDDEN',
      `requests from web pages of ${shorten(origin)} are not allowed here; start the node with --cors-origin to allow them`,
    );
  }

  #checkHost(host: string | undefined): void {
    const name = host === undefined ? '' : hostName(host.toLowerCase());
    if (!loopbackName.test(name) && !this.#hosts.has(name)) {
      throw new GreenroomError(
        'FORBIDDEN',
        `this node listens on loopback and does not answer to the name '${shorten(name)}'; start it with --http-host to serve others`,
      );
    }
    this.#lastGoodHost = host;
  }
}

/** Without the port. */
function hostName(host: string): string {
  return host.replace(/:\d*$/, '');
}

/** What a browser may do from an allowed foreign origin (the answer to its preflight), beside {@link corsHeaders}. */
export function preflightHeaders(methods: readonly string[]): string[] {
  return [
    'Access-Control-Allow-Methods',
    methods.join(', '),
    'Access-Control-Allow-Headers',
    'Authorization, Content-Type, Idempotency-Key, Greenroom-Timeout-Ms, Greenroom-Since, Last-Event-ID',
    'Access-Control-Max-Age',
    '600',
  ];
}

/** Lets a page of an allowed foreign origin read an answer. */
export function corsHeaders(origin: string): string[] {
  return [
    'Access-Control-Allow-Origin',
    origin,
    'Vary',
    'Origin',
    'Access-Control-Expose-Headers',
    'Idempotency-Key, Idempotent-Replayed, Greenroom-Position, Greenroom-Woke, Retry-After',
  ];
}
