/**
 * A chat room per name. Its events are what people see: open the room's event stream over HTTP and every message
 * arrives as it is said, and after a lost connection from where it stopped:
 *
 *     curl -N -H 'Accept: text/event-stream' http://127.0.0.1:8400/v1/actors/ChatRoom/lobby/-/events
 *
 * The state keeps the newest messages only, so that a room that is talked in for years wakes as fast as a new one.
 */
import { type Accepts, eventSourced, Rejection } from 'greenroom';
import { object, text, value } from './schema.ts';

type Message = { from: string; text: string; at: number };
type Room = { members: string[]; recent: Message[] };

/** Messages kept in the state. */
export const recentMax = 50;
/** People in one room at most: every list has a limit. */
export const membersMax = 500;

export class ChatRoom extends eventSourced({
  initialState: (): Room => ({ members: [], recent: [] }),
  events: {
    Joined: (room, { name }: { name: string }) => ({ ...room, members: [...room.members, name] }),
    Left: (room, { name }: { name: string }) => ({ ...room, members: room.members.filter((other) => other !== name) }),
    Said: (room, message: Message) => ({ ...room, recent: [...room.recent, message].slice(-recentMax) }),
  },
  passivateAfter: '10m',
  retention: '30d',
}) {
  static readonly accepts: Accepts<ChatRoom> = {
    join: value(text),
    leave: value(text),
    say: object<{ from: string; text: string }>({ from: text, text }),
  };

  /** Returns who is there and what was said last. Joining again only looks. */
  join(name: string) {
    if (!this.state.members.includes(name)) {
      if (this.state.members.length >= membersMax)
        throw new Rejection('ROOM_FULL', `${membersMax} people are here already`);
      this.persist('Joined', { name });
    }
    return this.state;
  }

  leave(name: string) {
    if (this.state.members.includes(name)) this.persist('Left', { name });
  }

  say({ from, text }: { from: string; text: string }) {
    if (!this.state.members.includes(from)) throw new Rejection('NOT_A_MEMBER', `${from} is not in this room`);
    this.persist('Said', { from, text, at: this.now() });
  }

  get() {
    return this.state;
  }
}
