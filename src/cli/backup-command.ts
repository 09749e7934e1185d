/** `greenroom backup` and `greenroom restore`: everything a running node has kept, as a folder; and a data directory out of it. */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { formatDuration } from '../core/duration.ts';
import { type BackupManifest, type BackupProgress, backupMediaType } from '../persistence/backup/backup-format.ts';
import { checkedNode, connect, wantsJson, withConnection } from './connection.ts';
import { CommandLineError, exitCodes, wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import { storedDataError } from './stored-data.ts';
import { printTable } from './table.ts';
import { compactJson, type Terminal } from './terminal.ts';

/** Between two lines of progress. */
const drawEveryMs = 100;
/** Damaged records shown on a page; the manifest has them all. */
const damagesShownMax = 20;

/** @param ends takes the exit code: 1 if records are damaged */
export function addBackupCommands(program: Command, terminal: Terminal, ends: (exitCode: number) => void): void {
  addBackup(program, terminal, ends);
  addRestore(program, terminal);
}

function addBackup(program: Command, terminal: Terminal, ends: (exitCode: number) => void): void {
  withConnection(program.command('backup <directory>'))
    .summary('save everything a running node has kept')
    .description(
      'Save everything that is committed on a running node at this moment into a new directory on this machine, while the node goes on. Every record is verified as it comes. An interrupted backup has no manifest.json and cannot be restored; the same command starts it anew. With --verify, read a finished backup again instead; no node is asked.',
    )
    .option('--verify', 'verify the backup in the directory')
    .addHelpText(
      'after',
      examples([
        ['greenroom backup backups/monday', ''],
        ['greenroom backup backups/monday --url https://node-1.example:8400', 'of a node elsewhere'],
        ['greenroom backup --verify backups/monday', 'whether it is still whole'],
        ['greenroom restore backups/monday --data .greenroom/b', ''],
      ]),
    )
    .action(async (directory: string, options: { verify?: boolean }, command: Command) => {
      const path = resolve(terminal.cwd, directory);
      const manifest = options.verify ? await verify(path, terminal) : await take(path, command, terminal);
      if (wantsJson(command)) terminal.print(compactJson(manifest));
      else printManifest(manifest, options.verify ? 'whole' : 'done', terminal);
      const damaged = manifest.shards.some((shard) => shard.damaged.length > 0);
      ends(damaged ? exitCodes.refused : exitCodes.done);
    });
}

async function take(path: string, command: Command, terminal: Terminal): Promise<BackupManifest> {
  const api = connect(command, terminal);
  const { prepareBackupFolder, writeBackup } = await import('../persistence/backup/backup-folder.ts');
  let isReady = false;
  const abort = new AbortController();
  try {
    const pieces = await api.download('/v1/cluster/backup', backupMediaType, abort);
    await prepareBackupFolder(path);
    isReady = true;
    return await writeBackup(path, pieces, { onProgress: progress('saved', terminal) });
  } catch (error) {
    const hint = isReady ? `${path} is unfinished; the same command starts it anew` : undefined;
    throw backupError(error, hint);
  } finally {
    abort.abort();
    terminal.progress('');
  }
}

async function verify(path: string, terminal: Terminal): Promise<BackupManifest> {
  const { readBackup, readManifest } = await import('../persistence/backup/backup-folder.ts');
  try {
    const manifest = await readManifest(path);
    await readBackup(path, manifest, { onProgress: progress('verified', terminal) });
    return manifest;
  } catch (error) {
    throw backupError(error);
  } finally {
    terminal.progress('');
  }
}

function addRestore(program: Command, terminal: Terminal): void {
  program
    .command('restore <directory>')
    .summary('make a data directory out of a backup')
    .description(
      'Make a new data directory out of a backup. The whole backup is verified before anything is written. A node started on it serves what was committed when the backup was taken, as a new cluster: nodes of the old one cannot join it, nor it them.',
    )
    .requiredOption('--data <directory>', 'the data directory to make; it must be empty, or not be there')
    .option('--node <name>', 'the name of the node it is for (default: the one that was backed up)')
    .option('--json', 'print JSON, also of errors')
    .addHelpText(
      'after',
      examples([
        ['greenroom restore backups/monday --data .greenroom/b', ''],
        ['greenroom restore backups/monday --data /var/lib/greenroom --node b', ''],
      ]),
    )
    .action(async (directory: string, options: { data: string; node?: string }, command: Command) => {
      const node = options.node === undefined ? undefined : checkedNode(options.node);
      const { restoreBackup } = await import('../persistence/backup/restore-backup.ts');
      const data = resolve(terminal.cwd, options.data);
      const words = { verify: 'verified', write: 'restored' };
      const lines = { verify: progress(words.verify, terminal), write: progress(words.write, terminal) };
      try {
        const { manifest, identity } = await restoreBackup(resolve(terminal.cwd, directory), data, {
          clusterId: newName(),
          storeId: newName(),
          node,
          onProgress: (step, done) => lines[step](done),
        });
        terminal.progress('');
        if (wantsJson(command)) return terminal.print(compactJson({ ...identity, data, at: manifest.at }));
        printManifest(manifest, 'restored', terminal);
        terminal.note(`start it with: greenroom start … --node ${identity.node} --data ${options.data}`);
      } catch (error) {
        throw backupError(error);
      } finally {
        terminal.progress('');
      }
    });
}

/** Twelve letters and digits, as a node makes them for a store. */
function newName(): string {
  return randomBytes(24)
    .toString('base64')
    .replaceAll(/[^A-Za-z0-9]/g, '')
    .slice(0, 12);
}

function printManifest(manifest: BackupManifest, word: string, terminal: Terminal): void {
  const { green, yellow, cyan } = terminal.out;
  const sum = (of: 'records' | 'hollow' | 'bytes') => manifest.shards.reduce((total, shard) => total + shard[of], 0);
  const deleted = sum('hollow') === 0 ? '' : `, ${sum('hollow')} deleted`;
  const of = `node ${manifest.node} of cluster ${manifest.clusterId} at ${new Date(manifest.at).toISOString()}`;
  terminal.print(
    `${of}: ${sum('records')} records${deleted}, ${manifest.shardCount} shards, ${bytesText(sum('bytes'))}`,
  );
  const damaged = manifest.shards.flatMap(({ shard, damaged }) => damaged.map((position) => [shard, position]));
  if (damaged.length === 0) {
    terminal.print(green(word));
    return;
  }
  terminal.print(
    yellow(
      `${word}, but ${damaged.length} ${damaged.length === 1 ? 'record was' : 'records were'} damaged on the node already: their actors are quarantined, there and here`,
    ),
  );
  printTable(
    terminal,
    [
      { title: 'SHARD', align: 'right', paint: cyan },
      { title: 'POSITION', align: 'right' },
    ],
    damaged.slice(0, damagesShownMax).map((row) => row.map(String)),
  );
}

/** `saved 1204000 of 3000000 records  40 %  512.0 MiB  12 s`, overwritten. */
function progress(word: string, terminal: Terminal): (progress: BackupProgress) => void {
  const startMs = performance.now();
  let drawnMs = 0;
  return ({ records, recordsTotal, bytes }) => {
    const nowMs = performance.now();
    if (nowMs - drawnMs < drawEveryMs) return;
    drawnMs = nowMs;
    const share = recordsTotal === 0 ? 100 : Math.floor((100 * records) / recordsTotal);
    terminal.progress(
      `${word} ${records} of ${recordsTotal} records  ${share} %  ${bytesText(bytes)}  ${formatDuration(nowMs - startMs)}`,
    );
  };
}

function bytesText(bytes: number): string {
  return bytes < 1_048_576 ? `${Math.ceil(bytes / 1_024)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

/** A backup's error in the words and the exit codes of the command line: 2 for the wrong directory, else 1. */
function backupError(error: unknown, hint?: string): unknown {
  if (error instanceof CommandLineError) {
    if (hint === undefined || error.hint !== undefined) return error;
    return new CommandLineError(error.exitCode, error.message, { hint, problem: error.problem, cause: error });
  }
  const { name, code, message } = error as { name?: string; code?: string; message: string };
  if (name !== 'BackupError') return storedDataError(error);
  if (code === 'BACKUP_UNREACHABLE') return wrongUsage(message, hint);
  if (code === 'BACKUP_UNFINISHED' || code === 'BACKUP_STOPPED') {
    const exitCode = hint === undefined ? exitCodes.refused : exitCodes.unavailable;
    return new CommandLineError(exitCode, message, { hint, cause: error });
  }
  return new CommandLineError(exitCodes.refused, message, { hint, cause: error });
}
