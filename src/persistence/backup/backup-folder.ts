/**
 * A backup's folder:
 *
 *     manifest.json   whose, of when, what is in each file; written last, with a checksum
 *     unfinished      only while the backup is being taken: without a manifest nothing in the folder is a backup
 *     shard-0007      the rows of shard 7 (backup-format.ts), for each shard that has any
 *
 * What comes in is verified before it is kept, and every file is synced before the manifest is written: a folder with
 * a manifest is a backup.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '../store-directory.ts';
import {
  BackupError,
  type BackupFile,
  type BackupHead,
  type BackupManifest,
  type BackupProgress,
  type BackupShard,
  decodeManifest,
  encodeManifest,
  type Frame,
  FrameReader,
} from './backup-format.ts';
import { type CheckedRow, ShardCheck } from './shard-check.ts';

const manifestName = 'manifest.json';
const unfinishedName = 'unfinished';
const ownName = /^(?:manifest\.json\.new|unfinished|shard-\d{4})$/;
const unfinishedText =
  'This backup is being taken, or was interrupted. While this file is here and manifest.json is not, it cannot be restored.\n';

export interface BackupOptions {
  /** Told after each piece. */
  readonly onProgress?: (progress: BackupProgress) => void;
}

/**
 * Makes the folder ready for {@link writeBackup}: makes it if need be, and marks it unfinished. What an interrupted
 * backup left in it is removed.
 *
 * @throws BackupError `BACKUP_UNREACHABLE` if it holds a backup, or anything else
 */
export async function prepareBackupFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    const names = await readdir(path);
    if (names.includes(manifestName))
      throw new BackupError('BACKUP_UNREACHABLE', `${path} holds a backup already; it was left as it is`);
    const foreign = names.find((name) => !ownName.test(name) || !names.includes(unfinishedName));
    if (foreign !== undefined)
      throw new BackupError('BACKUP_UNREACHABLE', `${path} is not empty (it holds '${foreign}'); it was left as it is`);
    await writeFile(join(path, unfinishedName), unfinishedText);
    for (const name of names) if (name !== unfinishedName) await rm(join(path, name));
    await syncDirectory(path);
  } catch (error) {
    throw unusable(path, error);
  }
}

/**
 * Writes a backup as it comes from a node into a folder made ready by {@link prepareBackupFolder}.
 *
 * @param pieces the bytes of the backup, cut anywhere
 * @throws BackupError `BACKUP_DAMAGED` if something does not verify, `BACKUP_STOPPED` if the node could not go on,
 *   `BACKUP_UNFINISHED` if `pieces` ended too early, `BACKUP_UNREACHABLE` if the folder cannot be written
 */
export async function writeBackup(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
  options: BackupOptions = {},
): Promise<BackupManifest> {
  const writer = new BackupWriter(path);
  const frames = new FrameReader();
  try {
    for await (const piece of pieces) {
      for (const { frame, bytes } of frames.take(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)))
        await writer.take(frame, bytes);
      await writer.flush();
      options.onProgress?.(writer.progress(frames.offset));
    }
    return await writer.finish();
  } catch (error) {
    throw unusable(path, error);
  } finally {
    await writer.close();
  }
}

class BackupWriter {
  readonly #path: string;
  readonly #files: BackupFile[] = [];
  #head: BackupHead | undefined;
  #recordsTotal = 0;
  #current:
    | { readonly end: BackupShard; readonly check: ShardCheck; readonly file: FileHandle; readonly hash: Hash }
    | undefined;
  #bytes = 0;
  #waiting: Buffer[] = [];
  #rows = 0;
  #isOver = false;

  constructor(path: string) {
    this.#path = path;
  }

  progress(bytes: number): BackupProgress {
    return { records: this.#rows, recordsTotal: this.#recordsTotal, bytes };
  }

  async take(frame: Frame, bytes: Buffer): Promise<void> {
    if (this.#isOver) throw new BackupError('BACKUP_DAMAGED', 'something follows its end');
    switch (frame.type) {
      case 'head':
        this.#begin(frame.head);
        return;
      case 'shard':
        await this.#endShard();
        await this.#beginShard(frame.shard);
        break;
      case 'record':
      case 'hollow':
        if (!this.#current) throw new BackupError('BACKUP_DAMAGED', 'a row comes before its shard');
        this.#current.check.take(frame);
        this.#rows += 1;
        break;
      case 'stopped':
        throw new BackupError('BACKUP_STOPPED', frame.reason);
      case 'end':
        await this.#endShard();
        this.#isOver = true;
        return;
      default:
        throw new BackupError('BACKUP_DAMAGED', 'it holds something that this version does not know');
    }
    this.#waiting.push(bytes);
  }

  /** Writes what has come. */
  async flush(): Promise<void> {
    if (!this.#current || this.#waiting.length === 0) return;
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#current.hash.update(bytes);
    this.#bytes += bytes.length;
    await this.#current.file.appendFile(bytes);
  }

  async finish(): Promise<BackupManifest> {
    const head = this.#head;
    if (!head || !this.#isOver) throw new BackupError('BACKUP_UNFINISHED', 'the node stopped in the middle of it');
    const missing = head.shards[this.#files.length];
    if (missing) throw new BackupError('BACKUP_DAMAGED', `shard ${missing.shard} is missing`);
    const manifest: BackupManifest = { ...head, shards: this.#files };
    const file = await open(join(this.#path, `${manifestName}.new`), 'w');
    try {
      await file.writeFile(encodeManifest(manifest));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(join(this.#path, `${manifestName}.new`), join(this.#path, manifestName));
    await rm(join(this.#path, unfinishedName));
    await syncDirectory(this.#path);
    return manifest;
  }

  async close(): Promise<void> {
    await this.#current?.file.close();
    this.#current = undefined;
  }

  #begin(head: BackupHead): void {
    if (this.#head) throw new BackupError('BACKUP_DAMAGED', 'it has two heads');
    this.#head = head;
    this.#recordsTotal = head.shards.reduce((sum, { position }) => sum + position, 0);
  }

  async #beginShard(shard: number): Promise<void> {
    const end = this.#head?.shards[this.#files.length];
    if (end?.shard !== shard) throw new BackupError('BACKUP_DAMAGED', `shard ${shard} comes out of turn`);
    const file = await open(join(this.#path, fileName(shard)), 'w');
    this.#current = { end, check: new ShardCheck(end, this.#head!.shardCount), file, hash: createHash('sha256') };
  }

  async #endShard(): Promise<void> {
    if (!this.#current) return;
    await this.flush();
    const { end, check, file, hash } = this.#current;
    check.finish();
    await file.sync();
    await this.close();
    const { records, hollow, damaged } = check;
    this.#files.push({
      ...end,
      file: fileName(end.shard),
      bytes: this.#bytes,
      sha256: hash.digest('hex'),
      records,
      hollow,
      damaged,
    });
    this.#bytes = 0;
  }
}

/** What the folder holds. @throws BackupError `BACKUP_UNREACHABLE`, `BACKUP_UNFINISHED`, `BACKUP_DAMAGED`, `BACKUP_NEWER_FORMAT` */
export async function readManifest(path: string): Promise<BackupManifest> {
  let text: string;
  try {
    text = await readFile(join(path, manifestName), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unusable(path, error);
    throw await whyNoManifest(path);
  }
  try {
    return decodeManifest(text);
  } catch (error) {
    throw error instanceof BackupError
      ? new BackupError(error.code, `${join(path, manifestName)}: ${error.message}`)
      : error;
  }
}

async function whyNoManifest(path: string): Promise<BackupError> {
  const names = await readdir(path).catch(() => undefined);
  if (names?.includes(unfinishedName))
    return new BackupError('BACKUP_UNFINISHED', `the backup in ${path} was interrupted, or is still being taken`);
  const what = names === undefined ? 'is no directory' : 'holds no backup';
  return new BackupError('BACKUP_UNREACHABLE', `${path} ${what}`);
}

/**
 * Reads a backup and verifies every byte of it. Each row is handed on once it verifies; whoever must not act on half a
 * backup runs this to its end first.
 *
 * @param onRows told of a shard's rows, in order, some at a time
 * @throws BackupError `BACKUP_DAMAGED` with file and position, `BACKUP_UNREACHABLE`
 */
export async function readBackup(
  path: string,
  manifest: BackupManifest,
  options: BackupOptions & { readonly onRows?: (shard: number, rows: readonly CheckedRow[]) => Promise<void> } = {},
): Promise<void> {
  const recordsTotal = manifest.shards.reduce((sum, { position }) => sum + position, 0);
  let records = 0;
  let bytes = 0;
  for (const shard of manifest.shards) {
    for await (const rows of readShard(path, manifest.shardCount, shard)) {
      await options.onRows?.(shard.shard, rows);
      records += rows.length;
      options.onProgress?.({ records, recordsTotal, bytes: bytes + shard.bytes });
    }
    bytes += shard.bytes;
  }
}

async function* readShard(path: string, shardCount: number, shard: BackupFile): AsyncGenerator<readonly CheckedRow[]> {
  const file = join(path, shard.file);
  const frames = new FrameReader();
  const check = new ShardCheck(shard, shardCount);
  const hash = createHash('sha256');
  try {
    if (!ownName.test(shard.file)) throw new BackupError('BACKUP_DAMAGED', 'its name is not one of a backup');
    const { size } = await stat(file);
    if (size !== shard.bytes)
      throw new BackupError('BACKUP_DAMAGED', `it has ${size} bytes, not the ${shard.bytes} written`);
    for await (const piece of createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
      hash.update(piece);
      const rows: CheckedRow[] = [];
      for (const { frame, offset } of frames.take(piece)) {
        if (frame.type === 'record' || frame.type === 'hollow') rows.push(check.take(frame));
        else if (frame.type !== 'shard' || frame.shard !== shard.shard || offset !== 0)
          throw new BackupError('BACKUP_DAMAGED', `at byte ${offset}: a frame that does not belong there`);
      }
      yield rows;
    }
    if (frames.unread > 0) throw new BackupError('BACKUP_DAMAGED', 'it ends in the middle of a row');
    check.finish();
    const unexpected = check.damaged.find((position) => !shard.damaged.includes(position));
    if (unexpected !== undefined)
      throw new BackupError('BACKUP_DAMAGED', `record ${unexpected} of shard ${shard.shard}: its body does not verify`);
    if (hash.digest('hex') !== shard.sha256)
      throw new BackupError('BACKUP_DAMAGED', `shard ${shard.shard} does not match its checksum`);
  } catch (error) {
    if (!(error instanceof BackupError)) throw unusable(file, error);
    throw new BackupError(error.code, `${file}: ${error.message}`, error);
  }
}

function fileName(shard: number): string {
  return `shard-${String(shard).padStart(4, '0')}`;
}

function unusable(path: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof BackupError || !/^E[A-Z]+$/.test(code ?? '')) return error;
  if (code === 'ENOENT') return new BackupError('BACKUP_DAMAGED', `${path} is missing`, error);
  const advice = code === 'ENOSPC' ? ': its disk is full' : `: ${message}`;
  return new BackupError('BACKUP_UNREACHABLE', `${path} cannot be used${advice}`, error);
}
