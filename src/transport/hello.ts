/**
 * The hello: the first exchange on each socket, four texts of JSON. Until it is over the other side is a stranger, and
 * nothing it sends is read by anything but this file.
 *
 *     dialler                                         listener
 *     hello { who, which channel and link, whom it wants, nonce }  →
 *                                                  ←  challenge { nonce }
 *     proof { of the secret, over both }           →
 *                                                  ←  welcome { who, proof over all } | refused { why }
 *
 * A listener says nothing about itself to who has not proved the secret. A `probe` in place of the hello asks what
 * cluster this is, and gets a description with the welcome. Pure: texts in, texts out.
 */
import { type NodeName, parseNodeName, type StoreId } from '../core/ids.ts';
import { isProof, proofOf } from './proof.ts';
import type { Channel, ClusterDescription, HelloRefusal, PeerIdentity } from './transport.ts';

export interface ProtocolRange {
  readonly min: number;
  readonly max: number;
}

/** Who says hello, as far as a cluster cares. */
export interface HelloIdentity extends PeerIdentity {
  readonly clusterId: string;
}

export interface Hello extends HelloIdentity {
  readonly type: 'hello';
  readonly protocol: ProtocolRange;
  readonly channel: Channel;
  /** Counts the links of one life of a store, from 1: both channels of a link say the same. */
  readonly link: number;
  /** The store it means to reach. */
  readonly wants: StoreId;
  readonly nonce: string;
}

export interface Probe {
  readonly type: 'probe';
  readonly nonce: string;
}

/** What the listener says of itself to who may hear it. */
export type Welcome =
  | (HelloIdentity & { readonly type: 'hello'; readonly protocol: ProtocolRange })
  | { readonly type: 'probe'; readonly description: ClusterDescription };

export type ListenerStep =
  | { readonly type: 'send'; readonly text: string }
  /** Proved: what it asks for is decided by the caller, who ends the hello by `welcomeText` or {@link refusalText}. */
  | { readonly type: 'proved'; readonly opening: Hello | Probe }
  | { readonly type: 'refuse'; readonly why: HelloRefusal };

export type DiallerStep =
  | { readonly type: 'send'; readonly text: string }
  | { readonly type: 'welcome'; readonly welcome: Welcome }
  | { readonly type: 'refused'; readonly why: HelloRefusal };

/** Those that a hello can say: without TLS in common there is none. */
const refusals: readonly HelloRefusal[] = [
  'wrong cluster',
  'wrong secret',
  'wrong store',
  'no common protocol version',
  'self',
  'outdated',
  'removed',
  'malformed',
];
const textLengthMax = 128;

export function refusalText(why: HelloRefusal): string {
  return JSON.stringify({ type: 'refused', why });
}

export class ListenerHello {
  readonly #secret: string | undefined;
  readonly #challenge: string;
  /** What was said, in order. */
  readonly #said: string[] = [];
  #opening: Hello | Probe | undefined;

  constructor(secret: string | undefined, nonce: string) {
    this.#secret = secret;
    this.#challenge = JSON.stringify({ type: 'challenge', nonce });
  }

  step(text: string): ListenerStep {
    const value = parseObject(text);
    if (this.#opening === undefined) {
      this.#opening = value && (parseHello(value) ?? parseProbe(value));
      if (!this.#opening) return { type: 'refuse', why: 'malformed' };
      this.#said.push(text, this.#challenge);
      return { type: 'send', text: this.#challenge };
    }
    if (value?.type !== 'proof' || typeof value.proof !== 'string') return { type: 'refuse', why: 'malformed' };
    if (this.#secret !== undefined && !isProof(value.proof, this.#secret, 'dialler', this.#said)) {
      return { type: 'refuse', why: 'wrong secret' };
    }
    return { type: 'proved', opening: this.#opening };
  }

  welcomeText(welcome: Welcome): string {
    const body = JSON.stringify(welcome);
    const proof = this.#secret === undefined ? '' : proofOf(this.#secret, 'listener', [...this.#said, body]);
    return JSON.stringify({ type: 'welcome', body, proof });
  }
}

export class DiallerHello {
  readonly #secret: string | undefined;
  readonly #opening: Hello | Probe;
  readonly #said: string[] = [];
  /** What to send first. */
  readonly openingText: string;

  constructor(opening: Hello | Probe, secret: string | undefined) {
    this.#opening = opening;
    this.#secret = secret;
    this.openingText = JSON.stringify(opening);
  }

  step(text: string): DiallerStep {
    const value = parseObject(text);
    switch (value?.type) {
      case 'challenge': {
        if (this.#said.length > 0 || typeof value.nonce !== 'string') return malformed;
        this.#said.push(this.openingText, text);
        const proof = this.#secret === undefined ? '' : proofOf(this.#secret, 'dialler', this.#said);
        return { type: 'send', text: JSON.stringify({ type: 'proof', proof }) };
      }
      case 'welcome':
        return this.#onWelcome(value);
      case 'refused': {
        const why = refusals.find((refusal) => refusal === value.why);
        return why ? { type: 'refused', why } : malformed;
      }
      default:
        return malformed;
    }
  }

  #onWelcome(value: Readonly<Record<string, unknown>>): DiallerStep {
    const { body, proof } = value;
    if (this.#said.length === 0 || typeof body !== 'string' || typeof proof !== 'string') return malformed;
    if (this.#secret !== undefined && !isProof(proof, this.#secret, 'listener', [...this.#said, body])) {
      return { type: 'refused', why: 'wrong secret' };
    }
    const welcome = parseWelcome(body);
    if (welcome?.type !== this.#opening.type) return malformed;
    const why = this.#whyUnwanted(welcome);
    return why ? { type: 'refused', why } : { type: 'welcome', welcome };
  }

  #whyUnwanted(welcome: Welcome): HelloRefusal | undefined {
    if (welcome.type === 'probe' || this.#opening.type === 'probe') return undefined;
    const mine = this.#opening;
    if (welcome.clusterId !== mine.clusterId) return 'wrong cluster';
    if (welcome.storeId !== mine.wants) return 'wrong store';
    return haveCommonVersion(welcome.protocol, mine.protocol) ? undefined : 'no common protocol version';
  }
}

const malformed: DiallerStep = { type: 'refused', why: 'malformed' };

export function haveCommonVersion(one: ProtocolRange, other: ProtocolRange): boolean {
  return one.min <= other.max && other.min <= one.max;
}

type Parsed = Readonly<Record<string, unknown>>;

function parseObject(text: string): Parsed | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Parsed) : undefined;
  } catch {
    return undefined;
  }
}

function parseHello(value: Parsed): Hello | undefined {
  const { type, channel, link, wants, nonce } = value;
  const identity = parseIdentity(value);
  const protocol = parseProtocol(value.protocol);
  if (type !== 'hello' || !identity || !protocol) return undefined;
  if ((channel !== 'data' && channel !== 'control') || !isCount(link) || !isText(wants) || !isText(nonce)) {
    return undefined;
  }
  return { type, ...identity, protocol, channel, link, wants: wants as StoreId, nonce };
}

function parseProbe({ type, nonce }: Parsed): Probe | undefined {
  return type === 'probe' && isText(nonce) ? { type, nonce } : undefined;
}

function parseWelcome(body: string): Welcome | undefined {
  const value = parseObject(body);
  if (value?.type === 'hello') {
    const identity = parseIdentity(value);
    const protocol = parseProtocol(value.protocol);
    return identity && protocol && { type: 'hello', ...identity, protocol };
  }
  if (value?.type !== 'probe') return undefined;
  const description = parseDescription(value.description);
  return description && { type: 'probe', description };
}

function parseIdentity({ clusterId, node, storeId, boot }: Parsed): HelloIdentity | undefined {
  if (!isText(clusterId) || !isNodeName(node) || !isText(storeId) || !isCount(boot)) return undefined;
  return { clusterId, node, storeId: storeId as StoreId, boot };
}

function parseProtocol(value: unknown): ProtocolRange | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { min, max } = value as Parsed;
  return isCount(min) && isCount(max) && min <= max ? { min, max } : undefined;
}

function parseDescription(value: unknown): ClusterDescription | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { clusterId, shardCount, replicas, node, storeId, addresses } = value as Parsed;
  if (!isText(clusterId) || !isCount(shardCount) || !isCount(replicas) || !isNodeName(node) || !isText(storeId)) {
    return undefined;
  }
  if (!Array.isArray(addresses) || !addresses.every((address) => typeof address === 'string')) return undefined;
  return { clusterId, shardCount, replicas, node, storeId: storeId as StoreId, addresses };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= textLengthMax;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function isNodeName(value: unknown): value is NodeName {
  if (typeof value !== 'string') return false;
  try {
    parseNodeName(value);
    return true;
  } catch {
    return false;
  }
}
