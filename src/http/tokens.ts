/** Bearer tokens (RFC 6750), compared in constant time: only hashes of equal length meet, so that timing tells nothing. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { GreenroomError } from '../core/errors.ts';

const bearer = /^Bearer +([\x21-\x7e]+) *$/i;

export class TokenGuard {
  readonly #hashes: readonly Buffer[] | undefined;

  /** @param tokens undefined: everyone may call; an empty list: no one */
  constructor(tokens: readonly string[] | undefined) {
    this.#hashes = tokens?.map(hashOf);
  }

  /** @throws GreenroomError `UNAUTHENTICATED` */
  check(authorization: string | undefined): void {
    if (this.#hashes === undefined) return;
    const token = authorization === undefined ? undefined : bearer.exec(authorization)?.[1];
    if (token === undefined) throw new GreenroomError('UNAUTHENTICATED', 'send Authorization: Bearer <token>');
    const hash = hashOf(token);
    let known = false;
    for (const each of this.#hashes) if (timingSafeEqual(each, hash)) known = true;
    if (!known) throw new GreenroomError('UNAUTHENTICATED', 'this token is not known here');
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
