/**
 * `fetch` for nodes whose certificates a private authority has signed: Node's own takes no authority. It does what the
 * command line needs of `fetch` and no more: no redirects, no compressed answers.
 */
import { request } from 'node:https';
import { Readable } from 'node:stream';
import { urlToHttpOptions } from 'node:url';

/** @param ca certificates in PEM; these and no others are believed */
export function trustingFetch(ca: string): typeof fetch {
  return (input, init = {}) =>
    new Promise((resolve, reject) => {
      const url = new URL(String(input));
      const { method = 'GET', headers, body, signal } = init;
      if (url.protocol !== 'https:') return resolve(fetch(input, init));
      const sent = request({
        ...urlToHttpOptions(url),
        method,
        headers: Object.fromEntries(new Headers(headers)),
        ca,
        ...(signal ? { signal } : {}),
      });
      // As fetch does: the reason of an abort is what the caller gave, a time-out among them.
      sent.on('error', (error) =>
        reject(signal?.aborted ? signal.reason : new TypeError('fetch failed', { cause: error })),
      );
      sent.on('response', (answer) => {
        const { statusCode = 0, statusMessage = '' } = answer;
        const flat: [string, string][] = [];
        for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2)
          flat.push([answer.rawHeaders[i]!, answer.rawHeaders[i + 1]!]);
        const hasBody = statusCode !== 204 && statusCode !== 304 && method !== 'HEAD';
        if (!hasBody) answer.resume();
        resolve(
          new Response(hasBody ? (Readable.toWeb(answer) as ReadableStream<Uint8Array>) : null, {
            status: statusCode,
            statusText: statusMessage,
            headers: flat,
          }),
        );
      });
      sent.end(body ?? undefined);
    });
}
