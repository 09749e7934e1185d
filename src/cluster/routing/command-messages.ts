/**
 * Commands on their way to the owner of their shard, and the answers, as bytes: msgpack arrays after one byte that tells
 * them from the messages of shard logs. Sent on the data channel, between members only.
 */
import { Packr } from 'msgpackr';
import { type ErrorCode, errorCodes, GreenroomError, type Issue, Rejection, type Reroute } from '../../core/errors.ts';
import type { Epoch, Position, ShardId } from '../../core/ids.ts';
import { MalformedMessage } from '../shards/shard-messages.ts';

/** First byte of these messages; shard messages begin with less than 32. */
export const commandMessageByte = 32;

export type WireError =
  | { readonly type: 'rejection'; readonly code: string; readonly message: string; readonly details: unknown }
  | {
      readonly type: 'error';
      readonly code: ErrorCode;
      readonly message: string;
      readonly issues: readonly Issue[] | undefined;
      readonly retryAfterMs: number | undefined;
    };

export type CommandMessage =
  /** Begins a lane: commands of it are admitted in order, until the owner has to turn one away. */
  | {
      readonly type: 'open';
      readonly shard: ShardId;
      readonly lane: number;
      readonly epoch: Epoch;
      /** To one that is to pass commands on to the owner. */
      readonly isToRelay: boolean;
    }
  | { readonly type: 'opened'; readonly shard: ShardId; readonly lane: number; readonly position: Position }
  /** The shard is not served there now, or no way leads from there to its owner. */
  | { readonly type: 'notOpen'; readonly shard: ShardId; readonly lane: number }
  | {
      readonly type: 'command';
      readonly shard: ShardId;
      readonly lane: number;
      readonly number: number;
      readonly actorType: string;
      readonly id: string;
      readonly kind: 'command' | 'delete';
      readonly command: string;
      readonly input: unknown;
      /** Remaining, so that no clocks are compared. */
      readonly timeoutMs: number;
      readonly commandId: string;
      readonly since: Position;
      /** senderType, senderId, number, previous */
      readonly delivery: readonly [string, string, number, number] | undefined;
      readonly chain: readonly string[] | undefined;
    }
  | {
      readonly type: 'reply';
      readonly shard: ShardId;
      readonly lane: number;
      readonly number: number;
      readonly reply: unknown;
      readonly commandId: string;
      readonly replayed: boolean;
      readonly recorded: boolean;
      /** tookMs, eventsReplayed */
      readonly woke: readonly [number, number] | undefined;
      readonly position: Position;
    }
  | {
      readonly type: 'failure';
      readonly shard: ShardId;
      readonly lane: number;
      readonly number: number;
      readonly error: WireError;
      readonly commandId: string;
      readonly recorded: boolean;
    }
  /** Sent back: to be sent again, to whoever owns the shard. */
  | {
      readonly type: 'moved';
      readonly shard: ShardId;
      readonly lane: number;
      readonly number: number;
      readonly reroute: Reroute;
      readonly commandId: string;
    }
  /** A question to a node: inspection, history, listing. */
  | {
      readonly type: 'query';
      readonly number: number;
      readonly name: string;
      readonly input: unknown;
      readonly timeoutMs: number;
    }
  | { readonly type: 'result'; readonly number: number; readonly result: unknown }
  | {
      readonly type: 'queryFailed';
      readonly number: number;
      readonly error: WireError;
      readonly reroute: Reroute | undefined;
    };

const types = [
  'open',
  'opened',
  'notOpen',
  'command',
  'reply',
  'failure',
  'moved',
  'query',
  'result',
  'queryFailed',
] as const;
const numbers = new Map<string, number>(types.map((type, index) => [type, index]));
const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: false, int64AsType: 'number' });

export function encodeCommandMessage(message: CommandMessage): Buffer {
  const packed = packr.pack(toArray(message));
  const bytes = Buffer.allocUnsafe(packed.length + 1);
  bytes[0] = commandMessageByte;
  bytes.set(packed, 1);
  return bytes;
}

function toArray(message: CommandMessage): readonly unknown[] {
  const kind = numbers.get(message.type)!;
  switch (message.type) {
    case 'open':
      return [kind, message.shard, message.lane, message.epoch, message.isToRelay];
    case 'opened':
      return [kind, message.shard, message.lane, message.position];
    case 'notOpen':
      return [kind, message.shard, message.lane];
    case 'command': {
      const { shard, lane, number, actorType, id, command, input, timeoutMs, commandId, since } = message;
      const isDeletion = message.kind === 'delete';
      const { delivery = 0, chain = 0 } = message;
      return [
        kind,
        shard,
        lane,
        number,
        actorType,
        id,
        isDeletion,
        command,
        input,
        timeoutMs,
        commandId,
        since,
        delivery,
        chain,
      ];
    }
    case 'reply': {
      const { shard, lane, number, reply, commandId, replayed, recorded, woke = 0, position } = message;
      return [kind, shard, lane, number, reply, commandId, replayed, recorded, woke, position];
    }
    case 'failure': {
      const { shard, lane, number, error, commandId, recorded } = message;
      return [kind, shard, lane, number, errorToArray(error), commandId, recorded];
    }
    case 'moved': {
      const { shard, lane, number, reroute, commandId } = message;
      return [kind, shard, lane, number, reroute === 'uncertain', commandId];
    }
    case 'query':
      return [kind, message.number, message.name, message.input, message.timeoutMs];
    case 'result':
      return [kind, message.number, message.result];
    case 'queryFailed':
      return [kind, message.number, errorToArray(message.error), message.reroute ?? ''];
  }
}

/** @throws MalformedMessage */
export function decodeCommandMessage(bytes: Buffer): CommandMessage {
  let fields: any[];
  try {
    fields = packr.unpack(bytes.subarray(1)) as any[];
  } catch (error) {
    throw new MalformedMessage(`a command message cannot be read: ${String(error)}`);
  }
  const type = Array.isArray(fields) ? types[fields[0] as number] : undefined;
  switch (type) {
    case 'open':
      return { type, shard: fields[1], lane: fields[2], epoch: fields[3], isToRelay: fields[4] === true };
    case 'opened':
      return { type, shard: fields[1], lane: fields[2], position: fields[3] };
    case 'notOpen':
      return { type, shard: fields[1], lane: fields[2] };
    case 'command':
      return {
        type,
        shard: fields[1],
        lane: fields[2],
        number: fields[3],
        actorType: fields[4],
        id: fields[5],
        kind: fields[6] ? 'delete' : 'command',
        command: fields[7],
        input: fields[8],
        timeoutMs: fields[9],
        commandId: fields[10],
        since: fields[11],
        delivery: fields[12] === 0 ? undefined : fields[12],
        chain: fields[13] === 0 ? undefined : fields[13],
      };
    case 'reply':
      return {
        type,
        shard: fields[1],
        lane: fields[2],
        number: fields[3],
        reply: fields[4],
        commandId: fields[5],
        replayed: fields[6],
        recorded: fields[7],
        woke: fields[8] === 0 ? undefined : fields[8],
        position: fields[9],
      };
    case 'failure':
      return {
        type,
        shard: fields[1],
        lane: fields[2],
        number: fields[3],
        error: errorFromArray(fields[4]),
        commandId: fields[5],
        recorded: fields[6],
      };
    case 'moved':
      return {
        type,
        shard: fields[1],
        lane: fields[2],
        number: fields[3],
        reroute: fields[4] ? 'uncertain' : 'refused',
        commandId: fields[5],
      };
    case 'query':
      return { type, number: fields[1], name: fields[2], input: fields[3], timeoutMs: fields[4] };
    case 'result':
      return { type, number: fields[1], result: fields[2] };
    case 'queryFailed':
      return { type, number: fields[1], error: errorFromArray(fields[2]), reroute: fields[3] || undefined };
    default:
      throw new MalformedMessage('no command message has this type');
  }
}

/** What crosses the wire of an error: code, message, details; never a stack. */
export function errorToWire(error: unknown): WireError {
  if (error instanceof Rejection)
    return { type: 'rejection', code: error.code, message: error.message, details: error.details };
  if (error instanceof GreenroomError) {
    const { code, message, issues, retryAfterMs } = error;
    return { type: 'error', code, message, issues, retryAfterMs };
  }
  return { type: 'error', code: 'COMMAND_FAILED', message: String(error), issues: undefined, retryAfterMs: undefined };
}

export function errorFromWire(error: WireError): GreenroomError | Rejection {
  if (error.type === 'rejection') return new Rejection(error.code, error.message, error.details);
  const { code, message, issues, retryAfterMs } = error;
  return new GreenroomError(Object.hasOwn(errorCodes, code) ? code : 'COMMAND_FAILED', message, {
    ...(issues ? { issues } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function errorToArray(error: WireError): readonly unknown[] {
  return error.type === 'rejection'
    ? [0, error.code, error.message, error.details]
    : [1, error.code, error.message, error.issues, error.retryAfterMs];
}

function errorFromArray(fields: any[]): WireError {
  return fields[0] === 0
    ? { type: 'rejection', code: fields[1], message: fields[2], details: fields[3] }
    : { type: 'error', code: fields[1], message: fields[2], issues: fields[3], retryAfterMs: fields[4] };
}
