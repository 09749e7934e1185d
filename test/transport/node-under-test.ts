/** A transport with handlers that note all that it is told, in order. */
import type { NodeName, StoreId } from '../../src/core/ids.ts';
import type { HelloIdentity, ProtocolRange } from '../../src/transport/hello.ts';
import type {
  Channel,
  HelloRefusal,
  PeerAddress,
  PeerIdentity,
  Transport,
  TransportHandlers,
} from '../../src/transport/transport.ts';

/** One life of a store that is called as its node is. */
export interface Life {
  readonly name: string;
  readonly boot: number;
  readonly clusterId: string;
  readonly protocol?: ProtocolRange;
  readonly mayTalk?: (hello: HelloIdentity) => HelloRefusal | undefined;
  /** Where it listens; default: somewhere. */
  readonly address?: string;
}

export function identityOf({ name, boot }: Life): PeerIdentity {
  return { storeId: name as StoreId, node: name as NodeName, boot };
}

export class NodeUnderTest implements TransportHandlers {
  readonly transport: Transport;
  readonly told: string[] = [];
  /** Every message, as it came. */
  readonly bytes: Buffer[] = [];
  onMessage: () => void = () => {};
  readonly #life: Life;

  constructor(life: Life, transport: Transport) {
    this.#life = life;
    this.transport = transport;
  }

  start(): Promise<void> {
    return this.transport.start(this);
  }

  names(...peers: readonly NodeUnderTest[]): void {
    this.dials(...peers.map((peer) => ({ storeId: peer.#life.name as StoreId, address: peer.transport.address })));
  }

  dials(...peers: readonly PeerAddress[]): void {
    this.transport.setPeers(peers);
  }

  send(to: string, text: string, channel: Channel = 'data'): boolean {
    return this.transport.send(to as StoreId, channel, Buffer.from(text));
  }

  /** How often it was told so. */
  times(what: string): number {
    return this.told.filter((each) => each === what).length;
  }

  messages(channel?: Channel): readonly string[] {
    return this.told.filter((each) => each.startsWith(channel ? `${channel} from ` : '') && / from \S+: /.test(each));
  }

  linkUp = (peer: PeerIdentity): void => this.#note(`up ${lifeOf(peer)}`);
  linkDown = (peer: PeerIdentity, why: string): void => this.#note(`down ${lifeOf(peer)} ${why}`);
  peerArrived = (peer: PeerIdentity): void => this.#note(`arrived ${lifeOf(peer)}`);
  peerLeft = (peer: PeerIdentity): void => this.#note(`left ${lifeOf(peer)}`);
  dialFailed = ({ storeId }: PeerAddress, why: string): void => this.#note(`failed ${storeId} ${why}`);
  message = (from: PeerIdentity, channel: Channel, bytes: Buffer): void => {
    this.bytes.push(bytes);
    // Long ones are compared as bytes.
    const text = bytes.length < 30_000 ? bytes.toString() : `${bytes.length} bytes`;
    this.#note(`${channel} from ${lifeOf(from)}: ${text}`);
    this.onMessage();
  };

  #note(what: string): void {
    this.told.push(what);
  }
}

function lifeOf({ storeId, boot }: PeerIdentity): string {
  return `${storeId}/${boot}`;
}
