/** Asks a node what cluster it belongs to: for a node that has no store yet, and so cannot be a peer. */
import { unreachable } from '../core/assert.ts';
import { newNonce } from './proof.ts';
import type { ClusterDescription } from './transport.ts';
import { standardTransportLimits } from './transport-limits.ts';
import type { TransportTls } from './transport-tls.ts';
import { type DialFailure, WebSocketChannel } from './websocket-channel.ts';

export type ProbeErrorCode =
  /** Nothing answers: the host is down, cut off, or not that host. May pass. */
  | 'UNREACHABLE'
  /** The host is there, and no process listens. May pass. */
  | 'REFUSED'
  /** One side did not accept the other's secret or certificate. */
  | 'WRONG_SECRET'
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
  const outcome = await new Promise<ClusterDescription | DialFailure>((resolve) => {
    channel = new WebSocketChannel(
      { address, opening, secret, tls, limits },
      {
        welcomed: (welcome) => resolve(welcome.type === 'probe' ? welcome.description : 'malformed'),
        failed: resolve,
        ended() {},
      },
    );
  });
  await channel?.destroy();
  if (typeof outcome === 'string') throw probeErrorOf(address, outcome, tls !== undefined);
  return outcome;
}

function probeErrorOf(address: string, why: DialFailure, hasTls: boolean): ProbeError {
  switch (why) {
    case 'unreachable':
      return new ProbeError(
        'UNREACHABLE',
        `Nothing answers at ${address}, or it hangs up, as a node does that does not accept ${hasTls ? 'this certificate, or has none' : 'connections without TLS'}.`,
      );
    case 'refused':
      return new ProbeError('REFUSED', `No process listens at ${address}.`);
    case 'wrong secret': {
      const what = hasTls ? 'the cluster secret or the certificates' : 'the cluster secret';
      return new ProbeError('WRONG_SECRET', `The node at ${address} and this one do not agree on ${what}.`);
    }
    case 'malformed':
    case 'wrong cluster':
    case 'wrong store':
    case 'no common protocol version':
    case 'self':
    case 'outdated':
    case 'removed':
      return new ProbeError(
        'NOT_A_NODE',
        `What answers at ${address} is not the cluster port of a Greenroom node of this version${hasTls ? '' : ', or wants TLS'}.`,
      );
    default:
      return unreachable(why);
  }
}
