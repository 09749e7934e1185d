/**
 * What a backup is made of, as bytes: on its way from a node, and in its folder.
 *
 * Both are frames: u32 length of what follows · u8 kind · content.
 *
 *     H  the head, as JSON: whose backup, of when, and where each shard's log ends
 *     S  u16 shard: its rows follow, from position 1 on without a gap
 *     r  a record, in the bytes that its owner wrote
 *     h  what is left of a hollow record: u48 position · u32 epoch · u32 actor hash · u32 body crc · u48 chain
 *     X  the backup cannot go on; the reason, as text
 *     E  the end: nothing is missing
 *
 * On its way a backup is one sequence of frames: H, then S and rows for each shard that has any, then E. In its folder
 * each shard's frames (S and rows) are a file, and a manifest says what must be in them. A record verifies itself, its
 * chain verifies its place, and the chain at the end verifies that nothing is missing.
 */
import type { Epoch, Position, ShardId } from '../../core/ids.ts';
import { crc32 } from '../crc32.ts';
import type { HollowRecord } from '../hollow.ts';
import type { ViewRow } from '../journal-view.ts';
import { readU48, writeU48 } from '../record.ts';

/** What this version writes, and the newest it reads. */
export const backupFormat = 1;
/** Of a backup on its way. */
export const backupMediaType = 'application/vnd.greenroom.backup';
/** No row is nearly as long: a longer frame is damage. */
export const frameBytesMax = 256 * 1024 * 1024;

const frameHeadBytes = 5;
const hollowBytes = 24;

/** Where a shard's log ends in a backup. */
export interface BackupShard {
  readonly shard: ShardId;
  readonly position: Position;
  readonly epoch: Epoch;
  readonly chain: number;
}

export interface BackupHead {
  readonly format: number;
  readonly clusterId: string;
  /** The node that gave it. */
  readonly node: string;
  readonly shardCount: number;
  readonly replicas: number;
  /** When, milliseconds since 1970. */
  readonly at: number;
  /** Those that have records, ascending. */
  readonly shards: readonly BackupShard[];
}

/** A shard's file. */
export interface BackupFile extends BackupShard {
  /** Its name in the folder. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** With their bodies. */
  readonly records: number;
  readonly hollow: number;
  /** Positions whose bodies were damaged in the node already: they are kept as they were. */
  readonly damaged: readonly Position[];
}

export interface BackupManifest extends Omit<BackupHead, 'shards'> {
  readonly shards: readonly BackupFile[];
}

/** How far taking, verifying or restoring is. */
export interface BackupProgress {
  readonly records: number;
  readonly recordsTotal: number;
  readonly bytes: number;
}

export type Frame =
  | { readonly type: 'head'; readonly head: BackupHead }
  | { readonly type: 'shard'; readonly shard: ShardId }
  | { readonly type: 'record'; readonly bytes: Buffer }
  | { readonly type: 'hollow'; readonly hollow: HollowRecord }
  | { readonly type: 'stopped'; readonly reason: string }
  | { readonly type: 'end' }
  | { readonly type: 'unknown'; readonly kind: number };

const kinds = { head: 0x48, shard: 0x53, record: 0x72, hollow: 0x68, stopped: 0x58, end: 0x45 } as const;

export type BackupErrorCode =
  /** The folder is not there, cannot be read or written, or holds something else. */
  | 'BACKUP_UNREACHABLE'
  /** It was interrupted. */
  | 'BACKUP_UNFINISHED'
  /** Something in it does not verify. */
  | 'BACKUP_DAMAGED'
  /** A newer version made it. */
  | 'BACKUP_NEWER_FORMAT'
  /** The node could not go on. */
  | 'BACKUP_STOPPED';

export class BackupError extends Error {
  override readonly name = 'BackupError';
  readonly code: BackupErrorCode;

  constructor(code: BackupErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** A frame as bytes, `content` not copied. */
export function frame(kind: keyof typeof kinds, content: Uint8Array): readonly [Buffer, Uint8Array] {
  const head = Buffer.allocUnsafe(frameHeadBytes);
  head.writeUInt32BE(1 + content.length, 0);
  head[4] = kinds[kind];
  return [head, content];
}

export function shardFrame(shard: ShardId): readonly [Buffer, Uint8Array] {
  const content = Buffer.allocUnsafe(2);
  content.writeUInt16BE(shard, 0);
  return frame('shard', content);
}

export function rowFrame(row: ViewRow): readonly [Buffer, Uint8Array] {
  if (row.type === 'record') return frame('record', row.bytes);
  const { position, epoch, actorHash, bodyCrc, chain } = row.hollow;
  const content = Buffer.allocUnsafe(hollowBytes);
  writeU48(content, position, 0);
  content.writeUInt32BE(epoch, 6);
  content.writeUInt32BE(actorHash, 10);
  content.writeUInt32BE(bodyCrc, 14);
  writeU48(content, chain, 18);
  return frame('hollow', content);
}

/** Cuts a sequence of bytes that comes in pieces into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  /** Of the next frame, from the first byte of all. */
  offset = 0;

  /** Bytes of a frame whose end has not come. */
  get unread(): number {
    return this.#rest.length;
  }

  /** @yields each whole frame with its bytes and where it began. @throws BackupError `BACKUP_DAMAGED` */
  *take(piece: Buffer): Generator<{ readonly frame: Frame; readonly bytes: Buffer; readonly offset: number }> {
    const all = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let at = 0;
    while (all.length - at >= 4) {
      const length = all.readUInt32BE(at);
      if (length < 1 || length > frameBytesMax)
        throw new BackupError('BACKUP_DAMAGED', `at byte ${this.offset}: a frame of ${length} bytes`);
      if (all.length - at < 4 + length) break;
      const bytes = all.subarray(at, at + 4 + length);
      const { offset } = this;
      at += bytes.length;
      this.offset += bytes.length;
      this.#rest = all.subarray(at);
      yield { frame: decodeFrame(bytes, offset), bytes, offset };
    }
    // A copy: the piece may be overwritten by whoever gave it.
    this.#rest = Buffer.from(all.subarray(at));
  }
}

function decodeFrame(bytes: Buffer, offset: number): Frame {
  const content = bytes.subarray(frameHeadBytes);
  switch (bytes[4]) {
    case kinds.head:
      return { type: 'head', head: parseHead(content.toString()) };
    case kinds.shard:
      if (content.length === 2) return { type: 'shard', shard: content.readUInt16BE(0) };
      break;
    case kinds.record:
      return { type: 'record', bytes: content };
    case kinds.hollow:
      if (content.length === hollowBytes) return { type: 'hollow', hollow: decodeHollow(content) };
      break;
    case kinds.stopped:
      return { type: 'stopped', reason: content.toString() };
    case kinds.end:
      return { type: 'end' };
    default:
      return { type: 'unknown', kind: bytes[4]! };
  }
  throw new BackupError('BACKUP_DAMAGED', `at byte ${offset}: a frame has ${content.length} bytes`);
}

function decodeHollow(content: Buffer): HollowRecord {
  return {
    position: readU48(content, 0),
    epoch: content.readUInt32BE(6),
    actorHash: content.readUInt32BE(10),
    bodyCrc: content.readUInt32BE(14),
    chain: readU48(content, 18),
  };
}

function parseHead(text: string): BackupHead {
  let head: BackupHead;
  try {
    head = JSON.parse(text) as BackupHead;
  } catch (error) {
    throw new BackupError('BACKUP_DAMAGED', `its head is not JSON: ${(error as Error).message}`, error);
  }
  checkFormat(head?.format);
  if (!Array.isArray(head?.shards)) throw new BackupError('BACKUP_DAMAGED', 'its head names no shards');
  return head;
}

function checkFormat(format: unknown): void {
  if (typeof format === 'number' && format > backupFormat)
    throw new BackupError(
      'BACKUP_NEWER_FORMAT',
      `it was made in format ${format}; this version knows up to ${backupFormat}: use the version of Greenroom that made it`,
    );
}

/** With a checksum of its own, so that people may read it and nobody change it unnoticed. */
export function encodeManifest(manifest: BackupManifest): string {
  return `${JSON.stringify({ ...manifest, crc: manifestCrc(manifest) }, undefined, 2)}\n`;
}

/** @throws BackupError `BACKUP_DAMAGED`, `BACKUP_NEWER_FORMAT` */
export function decodeManifest(text: string): BackupManifest {
  let parsed: BackupManifest & { crc?: unknown };
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new BackupError('BACKUP_DAMAGED', `it is not JSON: ${(error as Error).message}`, error);
  }
  if (typeof parsed !== 'object' || parsed === null) throw new BackupError('BACKUP_DAMAGED', 'it holds no object');
  const { crc, ...manifest } = parsed;
  if (crc !== manifestCrc(manifest)) {
    checkFormat(manifest.format);
    throw new BackupError('BACKUP_DAMAGED', 'it does not match its checksum');
  }
  checkFormat(manifest.format);
  return manifest;
}

function manifestCrc(manifest: BackupManifest): number {
  return crc32(Buffer.from(JSON.stringify(manifest)));
}
