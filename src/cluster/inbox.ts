/** What peers send, handed to whom it concerns: shard logs and commands on the data channel, the cluster on the other. */
import { unreachable } from '../core/assert.ts';
import type { StoreId } from '../core/ids.ts';
import type { Channel, PeerIdentity } from '../transport/transport.ts';
import type { ControlDriver } from './control/control-driver.ts';
import type { AdvertisedTypes, Adverts } from './membership/adverts.ts';
import type { ClusterMap, MapChange } from './membership/cluster-map.ts';
import type { Drains } from './membership/drains.ts';
import type { Heartbeats } from './membership/heartbeats.ts';
import type { Joining } from './membership/joining.ts';
import type { Leading } from './membership/leading.ts';
import { mapFromPlain, mapToPlain } from './membership/map-changes.ts';
import { decodeMemberMessage, type MemberMessage, memberMessageByte } from './membership/member-messages.ts';
import type { Presence } from './membership/presence.ts';
import { decodeCommandMessage } from './routing/command-messages.ts';
import type { CommandServer } from './routing/command-server.ts';
import type { Queries } from './routing/queries.ts';
import type { Router } from './routing/router.ts';
import { isShardMessage } from './shards/shard-messages.ts';
import type { Shards } from './shards/shards.ts';

export interface InboxOptions {
  readonly shards: Shards;
  readonly router: Router;
  readonly server: CommandServer;
  readonly queries: Queries;
  readonly control: ControlDriver<MapChange, ClusterMap>;
  readonly leading: Leading;
  readonly heartbeats: Heartbeats;
  readonly adverts: Adverts;
  readonly joining: Joining;
  readonly presence: Presence;
  readonly drains: Drains;
  readonly map: () => ClusterMap | undefined;
  readonly isJoined: () => boolean;
  readonly takeMap: (map: ClusterMap) => void;
  readonly tell: (to: StoreId, message: MemberMessage) => void;
}

export class Inbox {
  readonly #options: InboxOptions;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** @throws MalformedMessage */
  receive(from: PeerIdentity, channel: Channel, bytes: Buffer): void {
    const { shards, control } = this.#options;
    if (channel === 'data') {
      if (isShardMessage(bytes)) shards.receive(from.storeId, bytes);
      else this.#receiveCommand(from.storeId, bytes);
    } else if (bytes[0] !== memberMessageByte) control.receive(from.storeId, bytes);
    else this.#receiveFromMember(from, decodeMemberMessage(bytes));
  }

  #receiveCommand(from: StoreId, bytes: Buffer): void {
    const { server, queries, router } = this.#options;
    const message = decodeCommandMessage(bytes);
    switch (message.type) {
      case 'open':
        server.open(from, message);
        return;
      case 'command':
        server.command(from, message);
        return;
      case 'query':
      case 'result':
      case 'queryFailed':
        queries.received(from, message);
        return;
      default:
        router.received(from, message);
    }
  }

  #receiveFromMember(from: PeerIdentity, message: MemberMessage): void {
    const { leading, heartbeats, adverts, joining, presence, drains, isJoined, takeMap, tell } = this.#options;
    const own = this.#options.map();
    switch (message.type) {
      case 'heartbeat':
        leading.report(from, message);
        heartbeats.compareMaps(from.storeId, message.mapVersion);
        if (!adverts.isKnown(from.storeId, message.advert)) tell(from.storeId, { type: 'advertWanted' });
        return;
      case 'advertWanted':
        tell(from.storeId, { type: 'advert', ...adverts.own });
        return;
      case 'advert':
        adverts.learn(from.storeId, message.advert, message.types as AdvertisedTypes);
        leading.soon();
        return;
      case 'join':
        joining.receive(from, message.facts);
        return;
      case 'joinRefused':
        if (!isJoined()) presence.expel(message.reason);
        return;
      case 'mapWanted':
        if (own && own.version > message.version) tell(from.storeId, { type: 'map', map: mapToPlain(own) });
        return;
      case 'map': {
        const map = mapFromPlain(message.map);
        if (map.version > (own?.version ?? 0)) takeMap(map);
        return;
      }
      case 'drain':
        void drains.drain(message.shards).then((shards) => tell(from.storeId, { type: 'drained', shards }));
        return;
      case 'drained':
        leading.drained(message.shards);
        return;
      default:
        unreachable(message);
    }
  }
}
