/**
 * Proof of a shared secret: an HMAC-SHA256 over all that both sides have said. Each side's text holds a nonce of its
 * own, so nothing said before proves anything now; and each side proves under its own name, so nobody's proof can be
 * sent back to it.
 *
 * It shows who is there, and hides nothing: on a network that others listen to or write to, use TLS.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export type Side = 'dialler' | 'listener';

export function newNonce(): string {
  return randomBytes(24).toString('base64url');
}

/** @param said the texts exchanged so far, in order, as they went over the wire */
export function proofOf(secret: string, side: Side, said: readonly string[]): string {
  const hmac = createHmac('sha256', secret).update(`greenroom ${side}\n`);
  for (const text of said) hmac.update(`${Buffer.byteLength(text)}\n`).update(text);
  return hmac.digest('base64url');
}

/** Compares in constant time. */
export function isProof(given: string, secret: string, side: Side, said: readonly string[]): boolean {
  const expected = Buffer.from(proofOf(secret, side, said));
  const actual = Buffer.from(given);
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}
