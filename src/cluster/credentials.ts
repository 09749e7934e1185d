/**
 * What a node proves itself with, checked before anything starts: TLS's own reader says whether certificate and key
 * are ones, and belong together; and a certificate that the node's own authority did not sign is one that every other
 * node would refuse, by hanging up.
 */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { GreenroomError } from '../core/errors.ts';
import type { NodeOptions } from './node-options.ts';

/** A shorter shared secret can be guessed from one recorded handshake. */
export const secretBytesMin = 16;

/** @throws GreenroomError `BAD_REQUEST` */
export function checkCredentials({ tls, secret }: Pick<NodeOptions, 'tls' | 'secret'>): void {
  if (secret !== undefined && Buffer.byteLength(secret) < secretBytesMin) {
    throw new GreenroomError(
      'BAD_REQUEST',
      `secret has ${Buffer.byteLength(secret)} bytes; it takes ${secretBytesMin} at least`,
    );
  }
  if (tls === undefined) return;
  try {
    createSecureContext(tls);
  } catch (error) {
    throw new GreenroomError('BAD_REQUEST', `tls: ${(error as Error).message}`, { cause: error });
  }
  if (tls.ca !== undefined && !isSignedBy(certificatesIn(tls.cert), certificatesIn(tls.ca))) {
    throw new GreenroomError(
      'BAD_REQUEST',
      'the certificate of --tls-cert is not signed by the authority of --tls-ca, so the other nodes would refuse this one: give the certificate that this authority signed, and after it in the same file those in between',
    );
  }
}

/** @param chain the node's certificate, and those between it and an authority, in any order */
function isSignedBy([first, ...between]: readonly X509Certificate[], authorities: readonly X509Certificate[]): boolean {
  let signed = first;
  for (let length = 0; signed && length <= between.length; length++) {
    const last = signed;
    const signs = (issuer: X509Certificate) => last.checkIssued(issuer) && last.verify(issuer.publicKey);
    if (authorities.some(signs)) return true;
    signed = between.find(signs);
  }
  return false;
}

function certificatesIn(pem: string | Buffer): readonly X509Certificate[] {
  const blocks = pem.toString().match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}
