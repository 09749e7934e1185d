/**
 * The link to one peer, made and made again: dialled on both channels, up when both were welcomed by the same life,
 * down when either ends; then dialled anew, under the next number.
 */
import type { Random } from '../core/random.ts';
import { Backoff, redialMinMs } from './backoff.ts';
import type { Hello, HelloIdentity, ProtocolRange, Welcome } from './hello.ts';
import { newNonce } from './proof.ts';
import type { Channel, LinkLoss, PeerAddress, PeerIdentity } from './transport.ts';
import type { TransportLimits } from './transport-limits.ts';
import type { TransportTls } from './transport-tls.ts';
import { type DialFailure, WebSocketChannel } from './websocket-channel.ts';

/** What all links of a transport share. */
export interface LinkContext {
  readonly self: HelloIdentity;
  readonly protocol: ProtocolRange;
  readonly secret: string | undefined;
  readonly tls: TransportTls | undefined;
  readonly limits: TransportLimits;
  readonly random: Random;
  nextLinkNumber(): number;
  /** Tells it in a turn of its own. */
  linkUp(peer: PeerIdentity): void;
  linkDown(peer: PeerIdentity, why: LinkLoss): void;
  dialFailed(peer: PeerAddress, why: DialFailure): void;
  /** @returns whether this life is the newest known of its store */
  sawLife(peer: PeerIdentity): boolean;
}

interface Attempt {
  readonly data: WebSocketChannel;
  readonly control: WebSocketChannel;
  /** The life that welcomed the first channel, then both. */
  peer: PeerIdentity | undefined;
  welcomed: number;
  /** For the stall check, per channel, from its first check on: what was taken, and when that last changed. */
  readonly progress: Map<Channel, { readonly takenBytes: number; readonly atMs: number }>;
}

export class WebSocketLink {
  readonly #context: LinkContext;
  readonly #backoff: Backoff;
  #target: PeerAddress;
  #attempt: Attempt | undefined;
  #isUp = false;
  #redial: NodeJS.Timeout | undefined;
  /** The peer answered the last dial, and said no. */
  #isRefused = false;

  constructor(target: PeerAddress, context: LinkContext) {
    this.#target = target;
    this.#context = context;
    this.#backoff = new Backoff(context.random);
    this.#dial();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get bufferedBytes(): number {
    return this.#isUp ? this.#attempt!.data.waitingBytes : 0;
  }

  send(channel: Channel, bytes: Uint8Array): boolean {
    return this.#isUp && this.#attempt![channel].send(bytes);
  }

  /** Where it is from now on. A link that is up stays. */
  moveTo(target: PeerAddress): void {
    const isMoved = target.address !== this.#target.address;
    this.#target = target;
    if (!isMoved || this.#isUp) return;
    this.#abandon();
    this.#dialSoon(0);
  }

  /** The peer was heard of: it is worth dialling now, unless it says no. */
  peerIsThere(): void {
    if (this.#redial && !this.#isRefused) this.#dialSoon(0);
  }

  /** The peer has begun a newer life: a link to the older one leads nowhere. */
  newerLife(boot: number): void {
    const peer = this.#attempt?.peer;
    if (!peer || peer.boot >= boot) return;
    if (this.#isUp) this.#down(this.#attempt!, 'reset');
    else this.#failed(this.#attempt!, 'unreachable');
  }

  reset(): void {
    const attempt = this.#attempt;
    if (this.#isUp) this.#context.linkDown(attempt!.peer!, 'closed here');
    this.#abandon();
    this.#backoff.reset();
    this.#dialSoon(0);
  }

  /** For good. */
  async close(): Promise<void> {
    const attempt = this.#attempt;
    if (this.#isUp) this.#context.linkDown(attempt!.peer!, 'closed here');
    this.#isUp = false;
    this.#attempt = undefined;
    clearTimeout(this.#redial);
    await Promise.all([attempt?.data.close(), attempt?.control.close()]);
  }

  /** Cuts the link if something has waited too long without moving. */
  checkStall(nowMs: number): void {
    if (!this.#isUp) return;
    const attempt = this.#attempt!;
    for (const channel of ['data', 'control'] as const) {
      const { waitingBytes, takenBytes } = attempt[channel];
      const progress = attempt.progress.get(channel);
      if (!progress || waitingBytes === 0 || takenBytes !== progress.takenBytes) {
        attempt.progress.set(channel, { takenBytes, atMs: nowMs });
      } else if (nowMs - progress.atMs >= this.#context.limits.stallMs) {
        this.#down(attempt, 'stalled');
        return;
      }
    }
  }

  #dialSoon(delayMs: number): void {
    clearTimeout(this.#redial);
    this.#redial = setTimeout(() => this.#dial(), delayMs);
  }

  #dial(): void {
    this.#redial = undefined;
    const link = this.#context.nextLinkNumber();
    const attempt: Attempt = {
      data: this.#dialChannel('data', link, () => attempt),
      control: this.#dialChannel('control', link, () => attempt),
      peer: undefined,
      welcomed: 0,
      progress: new Map(),
    };
    this.#attempt = attempt;
  }

  #dialChannel(channel: Channel, link: number, attempt: () => Attempt): WebSocketChannel {
    const { self, protocol, secret, tls, limits } = this.#context;
    const { storeId: wants, address } = this.#target;
    const opening: Hello = { type: 'hello', ...self, protocol, channel, link, wants, nonce: newNonce() };
    return new WebSocketChannel(
      { address, opening, secret, tls, limits },
      {
        welcomed: (welcome) => this.#welcomed(attempt(), welcome),
        failed: (why) => this.#failed(attempt(), why),
        ended: (isGoodbye) => this.#ended(attempt(), isGoodbye),
      },
    );
  }

  #welcomed(attempt: Attempt, welcome: Welcome): void {
    if (attempt !== this.#attempt || welcome.type !== 'hello') return;
    const { storeId, node, boot } = welcome;
    if (!this.#context.sawLife({ storeId, node, boot })) {
      this.#failed(attempt, 'outdated');
      return;
    }
    // The process was replaced between the two channels: neither is worth keeping.
    if (attempt.peer && attempt.peer.boot !== boot) {
      this.#failed(attempt, 'unreachable');
      return;
    }
    attempt.peer = { storeId, node, boot };
    attempt.welcomed += 1;
    if (attempt.welcomed < 2) return;
    this.#isUp = true;
    this.#backoff.reset();
    this.#isRefused = false;
    this.#context.linkUp(attempt.peer);
  }

  #failed(attempt: Attempt, why: DialFailure): void {
    if (attempt !== this.#attempt) return;
    this.#abandon();
    this.#isRefused = why !== 'refused' && why !== 'unreachable';
    this.#dialSoon(this.#backoff.nextDelayMs(this.#isRefused));
    this.#context.dialFailed(this.#target, why);
  }

  #ended(attempt: Attempt, isGoodbye: boolean): void {
    if (attempt !== this.#attempt) return;
    if (this.#isUp) this.#down(attempt, isGoodbye ? 'closed by peer' : 'reset');
    else this.#failed(attempt, 'unreachable');
  }

  #down(attempt: Attempt, why: LinkLoss): void {
    this.#abandon();
    this.#dialSoon(redialMinMs * this.#context.random.next());
    this.#context.linkDown(attempt.peer!, why);
  }

  #abandon(): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#isUp = false;
    void attempt?.data.destroy();
    void attempt?.control.destroy();
  }
}
