/** A journal's view as the bytes of a backup, in pieces that are made when they are asked for. */
import type { StoreIdentity } from '../journal.ts';
import type { JournalView } from '../journal-view.ts';
import { type BackupHead, backupFormat, frame, rowFrame, shardFrame } from './backup-format.ts';

/** A piece is about this long, or one row. */
const pieceBytes = 256 * 1024;

/**
 * The whole backup. Closes the view when it is through, and when whoever takes it stops.
 *
 * @param at milliseconds since 1970
 */
export async function* encodeBackup(view: JournalView, identity: StoreIdentity, at: number): AsyncGenerator<Buffer> {
  try {
    const { clusterId, node, shardCount, replicas } = identity;
    const ends = view.tails.map(({ position, epoch, chain }, shard) => ({ shard, position, epoch, chain }));
    const shards = ends.filter(({ position }) => position > 0);
    const head: BackupHead = { format: backupFormat, clusterId, node, shardCount, replicas, at, shards };
    let parts: Uint8Array[] = [...frame('head', Buffer.from(JSON.stringify(head)))];
    let bytes = 0;
    for (const { shard } of shards) {
      parts.push(...shardFrame(shard));
      for await (const rows of view.rows(shard)) {
        for (const row of rows) {
          const [start, content] = rowFrame(row);
          parts.push(start, content);
          bytes += start.length + content.length;
          if (bytes < pieceBytes) continue;
          yield Buffer.concat(parts);
          parts = [];
          bytes = 0;
        }
      }
    }
    parts.push(...frame('end', Buffer.alloc(0)));
    yield Buffer.concat(parts);
  } finally {
    await view.close();
  }
}

/** The last piece of a backup that cannot go on. */
export function encodeStopped(reason: string): Buffer {
  return Buffer.concat(frame('stopped', Buffer.from(reason)));
}
