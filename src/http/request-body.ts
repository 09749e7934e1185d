/**
 * A request's body: read up to its limit, strictly UTF-8, strictly JSON.
 *
 * A body over the limit is refused by its declared length before it is read, and else as soon as it grows past it.
 * A caller that is still sending when the connection closes would see a reset instead of the refusal; so the
 * refusal is written in full, what else arrives is thrown away for a while, and only then the connection ends.
 */
import { isUtf8 } from 'node:buffer';
import { GreenroomError } from '../core/errors.ts';
import type { Exchange } from './exchange.ts';
import { describeJsonError } from './json-position.ts';
import { bodyBytesMax, discardedBytesMax, discardMs } from './limits.ts';
import { problemOf, shorten } from './problem.ts';

const jsonType = /^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i;

/**
 * Reads the input of a command: undefined for no body. Answers the caller itself if the body is refused; then `use`
 * is never called.
 */
export function readInput(exchange: Exchange, use: (input: unknown) => void): void {
  const { request } = exchange;
  const lengthText = request.headers['content-length'];
  const isChunked = request.headers['transfer-encoding'] !== undefined;
  if (!isChunked && (lengthText === undefined || lengthText === '0')) {
    use(undefined);
    return;
  }
  const length = lengthText === undefined ? 0 : Number(lengthText);
  try {
    checkMediaType(request.headers);
    if (length > bodyBytesMax) throw tooLarge();
    exchange.context.inFlight.admitBody(exchange, length);
  } catch (error) {
    refuse(exchange, error);
    return;
  }
  if (exchange.awaitsContinue) exchange.response.writeContinue();
  const chunks: Buffer[] = [];
  let size = 0;
  const take = (chunk: Buffer) => {
    size += chunk.length;
    try {
      if (size > bodyBytesMax) throw tooLarge();
      if (size > exchange.bodyBytes) exchange.context.inFlight.admitBody(exchange, chunk.length);
      chunks.push(chunk);
    } catch (error) {
      request.off('data', take);
      request.off('end', finish);
      chunks.length = 0;
      refuse(exchange, error);
    }
  };
  const finish = () => {
    let input: unknown;
    try {
      input = parseInput(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size));
    } catch (error) {
      exchange.fail(error);
      return;
    }
    use(input);
  };
  request.on('data', take);
  request.on('end', finish);
}

/** @throws GreenroomError `BAD_REQUEST` saying what is wrong and where */
export function parseInput(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  if (!isUtf8(body)) throw new GreenroomError('BAD_REQUEST', 'the body is not well-formed UTF-8');
  const text = body.toString('utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GreenroomError('BAD_REQUEST', `the body is not JSON: ${describeJsonError(text)}`, { cause });
  }
}

/** @throws GreenroomError `UNSUPPORTED_MEDIA_TYPE` */
function checkMediaType(headers: Exchange['request']['headers']): void {
  const type = headers['content-type'];
  if (type === undefined || !jsonType.test(type)) {
    const given = type === undefined ? 'has no Content-Type' : `is ${shorten(type)}`;
    throw new GreenroomError('UNSUPPORTED_MEDIA_TYPE', `the body must be application/json in UTF-8; this one ${given}`);
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new GreenroomError(
      'UNSUPPORTED_MEDIA_TYPE',
      `the body must not be compressed; this one is ${shorten(encoding)}`,
    );
  }
}

function tooLarge(): GreenroomError {
  return new GreenroomError('TOO_LARGE', `a body has at most ${bodyBytesMax} bytes`);
}

/** Refuses a body that may still be on its way, so that its sender sees the refusal, and ends the connection. */
function refuse(exchange: Exchange, error: unknown): void {
  const { request, response, context } = exchange;
  if (!(error instanceof GreenroomError) || request.complete) {
    exchange.fail(error);
    return;
  }
  context.inFlight.releaseBody(exchange);
  exchange.idempotencyKey ??= exchange.assignKey?.();
  const problem = problemOf(error, exchange.idempotencyKey);
  const body = JSON.stringify(problem);
  const headers = exchange.commonHeaders();
  headers.push('Content-Type', 'application/problem+json', 'Content-Length', String(Buffer.byteLength(body)));
  headers.push('Connection', 'close');
  if (problem.status === 429) headers.push('Retry-After', '1');
  context.inFlight.count(problem.status);
  response.writeHead(problem.status, headers);
  response.on('error', () => {});
  // Whole by its length, but not ended: ending it would close the connection under the sender.
  response.write(body);
  let discarded = 0;
  const end = () => {
    cancelEnd();
    request.off('data', discard);
    response.end();
  };
  const discard = (chunk: Buffer) => {
    discarded += chunk.length;
    if (discarded > discardedBytesMax) end();
  };
  const cancelEnd = context.clock.schedule(discardMs, end);
  request.on('data', discard);
  request.once('end', end);
  request.once('close', cancelEnd);
  // A caller that waits for "100 Continue" sends nothing more.
  if (exchange.awaitsContinue) end();
}
