/** Asks a node what cluster it belongs to: for a node that has no store yet, and so cannot be a peer. */
import { unreachable } from '../core/assert.ts';
import { newNonce } from './proof.ts';
import type { ClusterDescription } from './transport.ts';
import { standardTransportLimits } from './transport-limits.ts';
import type { TransportTls } from './transport-tls.ts';
import { adviceFor } from './turned-away.ts';
import { type DialFailure, WebSocketChannel } from './websocket-channel.ts';

export type ProbeErrorCode =
  /** Nothing answers: the host is down, cut off, or not that host. May pass. */
  | 'UNREACHABLE'
  /** The host is there, and no process listens. May pass. */
  | 'REFUSED'
  /** One side did not accept the other's secret. */
  | 'WRONG_SECRET'
  /** One side did not accept the other's certificate. */
  | 'WRONG_CERTIFICATE'
  /** One side speaks TLS, and the other does not. */
  | 'TLS_ON_ONE_SIDE'
  /** Something else listens there, or a Greenroom that speaks otherwise. */
  | 'NOT_A_NODE';

export class ProbeError extends Error {
  override readonly name = 'ProbeError';
  readonly code: ProbeErrorCode;
  readonly retryable: boolean;

  constructor(code: ProbeErrorCode, message: string) {
    super(message);
    this.code = code;
    this.retryable = code === 'UNREACHABLE' || code === 'REFUSED';
  }
}

export interface ProbeOptions {
  readonly secret?: string | undefined;
  readonly tls?: TransportTls | undefined;
}

/**
 * @param address `host:port` of any node
 * @throws ProbeError
 */
export async function probeCluster(
  address: string,
  { secret, tls }: ProbeOptions,
  timeoutMs: number,
): Promise<ClusterDescription> {
  const limits = { ...standardTransportLimits, helloTimeoutMs: timeoutMs };
  const opening = { type: 'probe', nonce: newNonce() } as const;
  let channel: WebSocketChannel | undefined;
  let detail: string | undefined;
  const outcome = await new Promise<ClusterDescription | DialFailure>((resolve) => {
    channel = new WebSocketChannel(
      { address, opening, secret, tls, limits },
      {
        welcomed: (welcome) => resolve(welcome.type === 'probe' ? welcome.description : 'malformed'),
        failed: (why, said) => {
          detail = said;
          resolve(why);
        },
        ended() {},
      },
    );
  });
  await channel?.destroy();
  if (typeof outcome === 'string') throw probeErrorOf(address, outcome, { secret, tls }, detail);
  return outcome;
}

function probeErrorOf(
  address: string,
  why: DialFailure,
  { secret, tls }: ProbeOptions,
  detail: string | undefined,
): ProbeError {
  switch (why) {
    case 'unreachable':
      return new ProbeError(
        'UNREACHABLE',
        `Nothing answers at ${address}${tls ? ', or it hangs up, as a node does that does not accept this certificate: its log says so' : ''}.`,
      );
    case 'refused':
      return new ProbeError('REFUSED', `No process listens at ${address}.`);
    case 'wrong secret': {
      const has = secret === undefined ? ', of which this one has none' : '';
      return new ProbeError(
        'WRONG_SECRET',
        `The node at ${address} and this one do not agree on the cluster secret${has}: ${adviceFor(why)}.`,
      );
    }
    case 'wrong certificate':
      return new ProbeError(
        'WRONG_CERTIFICATE',
        `The node at ${address} and this one do not accept each other’s certificates (${detail}): ${adviceFor(why)}.`,
      );
    case 'TLS on one side':
      return new ProbeError(
        'TLS_ON_ONE_SIDE',
        tls
          ? `This node speaks TLS with other nodes, and what answers at ${address} does not: ${adviceFor(why)}.`
          : `The node at ${address} speaks only TLS with other nodes, and this one has no --tls-ca: ${adviceFor(why)}.`,
      );
    case 'malformed':
    case 'wrong cluster':
    case 'wrong store':
    case 'no common protocol version':
    case 'self':
    case 'outdated':
    case 'removed':
      return new ProbeError(
        'NOT_A_NODE',
        `What answers at ${address} is not the cluster port of a Greenroom node of this version.`,
      );
    default:
      return unreachable(why);
  }
}
