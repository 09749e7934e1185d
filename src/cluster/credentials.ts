/**
 * What a node proves itself with, checked before anything starts: TLS's own reader says whether certificate and key
 * are ones, and belong together.
 */
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
}
