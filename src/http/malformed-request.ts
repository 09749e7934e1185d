/** What does not parse as HTTP, or not in time: there is no request to answer, so the problem is written to the bare socket. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GreenroomError } from '../core/errors.ts';
import { headerBytesMax } from './limits.ts';
import { problemOf } from './problem.ts';

/** The listener for `clientError`. */
export function answerMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const answerIsOnItsWay = (socket as { _httpMessage?: unknown })._httpMessage;
  if (!socket.writable || error.code === 'ECONNRESET' || answerIsOnItsWay) {
    socket.destroy();
    return;
  }
  const detail = {
    400: 'this is not HTTP/1.1',
    408: 'the request did not arrive in time',
    431: `the request line and headers have at most ${headerBytesMax} bytes`,
  }[status];
  const problem = { ...problemOf(new GreenroomError('BAD_REQUEST', detail!)), status };
  const body = JSON.stringify(problem);
  const reason = { 400: 'Bad Request', 408: 'Request Timeout', 431: 'Request Header Fields Too Large' }[status];
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  (socket as Socket).destroySoon();
}
