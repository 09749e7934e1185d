/**
 * What the edge holds in memory for its callers at this moment, and its counters: bodies from their first byte to
 * their answer, and answers until they are taken. Over the limit, new requests are refused before they do anything,
 * so that neither fast senders nor slow readers grow the node.
 */
import type { ServerResponse } from 'node:http';
import type { MetricSample } from '../cluster/gateway.ts';
import { GreenroomError } from '../core/errors.ts';
import type { Exchange } from './exchange.ts';
import { bytesInFlightMax, eventStreamsMax, stalledCallerMs } from './limits.ts';

/** Shorter answers fit the socket's own buffer and are not counted. */
const trackedAnswerBytesMin = 16 * 1024;

export class InFlight {
  #bodyBytes = 0;
  #answerBytes = 0;
  #eventStreams = 0;
  /** Answers by status. */
  readonly #answers = new Float64Array(600);
  /** Requests whose answers are not finished. */
  requests = 0;

  /** Counts `bytes` more of a request's body. @throws GreenroomError `OVERLOADED` */
  admitBody(exchange: Exchange, bytes: number): void {
    if (this.#bodyBytes + this.#answerBytes + bytes > bytesInFlightMax) {
      throw new GreenroomError('OVERLOADED', 'too many bytes of requests and answers are in flight on this node');
    }
    this.#bodyBytes += bytes;
    exchange.bodyBytes += bytes;
  }

  releaseBody(exchange: Exchange): void {
    this.#bodyBytes -= exchange.bodyBytes;
    exchange.bodyBytes = 0;
  }

  /** Counts an answer until its caller has taken it, or has taken nothing of it for too long. */
  trackAnswer(response: ServerResponse, bytes: number): void {
    if (bytes < trackedAnswerBytesMin) return;
    this.#answerBytes += bytes;
    response.setTimeout(stalledCallerMs, () => response.destroy());
    response.once('close', () => {
      this.#answerBytes -= bytes;
    });
  }

  count(status: number): void {
    this.#answers[status]! += 1;
  }

  /** @returns what ends the stream's count @throws GreenroomError `OVERLOADED` */
  admitEventStream(): () => void {
    if (this.#eventStreams >= eventStreamsMax) {
      throw new GreenroomError('OVERLOADED', `this node already serves ${eventStreamsMax} event streams`);
    }
    this.#eventStreams += 1;
    return () => {
      this.#eventStreams -= 1;
    };
  }

  /** @param connections open ones */
  metrics(connections: number): MetricSample[] {
    const gauge = (name: string, help: string, value: number): MetricSample => ({ name, kind: 'gauge', help, value });
    const samples = [
      gauge('greenroom_http_connections', 'Open HTTP connections.', connections),
      gauge('greenroom_http_requests_in_flight', 'HTTP requests that are not answered yet.', this.requests),
      gauge('greenroom_http_event_streams', 'Open event streams.', this.#eventStreams),
      gauge('greenroom_http_body_bytes', 'Bytes of request bodies held in memory.', this.#bodyBytes),
      gauge('greenroom_http_answer_bytes', 'Bytes of answers their callers have not taken yet.', this.#answerBytes),
    ];
    for (let status = 0; status < this.#answers.length; status++) {
      if (this.#answers[status] === 0) continue;
      samples.push({
        name: 'greenroom_http_answers_total',
        kind: 'counter',
        help: 'HTTP answers by status.',
        labels: { status: String(status) },
        value: this.#answers[status]!,
      });
    }
    return samples;
  }
}
