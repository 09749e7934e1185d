/**
 * Verifying a database's files before LevelDB touches them: what it would read without checking is checked here, so
 * that a damaged store is refused while it is still as it was found.
 */
import { readdir } from 'node:fs/promises';
import { keyLetters } from './keys.ts';
import { readLevelLog } from './leveldb-log-format.ts';
import {
  type FileDamage,
  type LiveTable,
  logFileNumber,
  type Manifest,
  readFileOrDamage,
  readManifest,
  tableFileName,
} from './leveldb-manifest.ts';
import { type TableDamage, verifyTable } from './leveldb-table.ts';

/** Damage in a file, with the rows it may have hit where that is known. */
export interface FoundDamage extends FileDamage {
  readonly rows?: TableDamage;
}

export interface CheckOptions {
  /** Also what verifies itself when it is read: the log's rows. */
  readonly everything: boolean;
  /** Told after each file. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
}

/**
 * Reads the manifest, the write-ahead logs and the tables, and says what does not verify.
 *
 * @throws the error of reading, e.g. `EIO` or `EACCES`
 */
export async function checkFiles(database: string, options: CheckOptions): Promise<readonly FoundDamage[]> {
  const manifest = await readManifest(database);
  if ('problem' in manifest) return [manifest];
  const damages: FoundDamage[] = [];
  const tables = manifest.tables.filter((table) => options.everything || !isOnlyLog(table));
  const bytesTotal = tables.reduce((sum, { bytes }) => sum + bytes, 0);
  let bytesRead = 0;
  for (const name of await liveLogs(database, manifest)) {
    const bytes = await readFileOrDamage(database, name);
    const damage = Buffer.isBuffer(bytes) ? readLevelLog(bytes).damage : undefined;
    if (damage) damages.push({ file: name, problem: `${damage.problem}, at byte ${damage.offset}` });
  }
  for (const table of tables) {
    damages.push(...(await checkTable(database, table, options.everything)));
    bytesRead += table.bytes;
    options.onProgress?.(bytesRead, bytesTotal);
  }
  return damages;
}

/** All keys between two that begin with `L` begin with it. */
function isOnlyLog({ firstKey, lastKey }: LiveTable): boolean {
  return firstKey[0] === keyLetters.log && lastKey[0] === keyLetters.log;
}

async function checkTable(database: string, table: LiveTable, everything: boolean): Promise<FoundDamage[]> {
  const file = tableFileName(table.number);
  const bytes = await readFileOrDamage(database, file);
  if (!Buffer.isBuffer(bytes)) return [bytes];
  if (bytes.length !== table.bytes)
    return [{ file, problem: `it has ${bytes.length} bytes, not the ${table.bytes} written` }];
  return verifyTable(bytes, everything).map((rows) => ({ file, problem: rows.problem, rows }));
}

async function liveLogs(database: string, manifest: Manifest): Promise<string[]> {
  const names = await readdir(database);
  return names.filter((name) => (logFileNumber(name) ?? -1) >= manifest.logNumber).sort();
}
