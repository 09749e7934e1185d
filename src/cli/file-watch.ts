/**
 * Notices that files changed. Editors save in many ways (write in place, write beside and rename), so directories are
 * watched, not files; events come in bursts, so they are gathered; and they come without a change, so contents
 * are compared.
 */
import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Events closer together than this are one change. */
export const settleMs = 120;

export class FileWatch {
  readonly #onChange: (files: readonly string[]) => void;
  readonly #onTrouble: (reason: string) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  /** What each watched file held when it was last looked at; undefined: it was not there. */
  readonly #contents = new Map<string, string | undefined>();
  readonly #touched = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param onChange the files whose content is another than when they were last looked at
   * @param onTrouble a directory cannot be watched (its reason)
   */
  constructor(onChange: (files: readonly string[]) => void, onTrouble: (reason: string) => void) {
    this.#onChange = onChange;
    this.#onTrouble = onTrouble;
  }

  /** Watches these files, absolute paths, and no others. */
  set(files: readonly string[]): void {
    for (const file of this.#contents.keys()) if (!files.includes(file)) this.#contents.delete(file);
    for (const file of files) if (!this.#contents.has(file)) this.#contents.set(file, contentOf(file));
    const directories = new Set(files.map((file) => dirname(file)));
    for (const [directory, watcher] of this.#watchers) {
      if (directories.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of directories) if (!this.#watchers.has(directory)) this.#watch(directory);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watch(directory: string): void {
    const trouble = (error: Error) => this.#onTrouble(`${directory} cannot be watched: ${error.message}`);
    try {
      const watcher = watch(directory, (_event, name) => this.#touch(directory, name));
      watcher.on('error', trouble);
      this.#watchers.set(directory, watcher);
    } catch (error) {
      trouble(error as Error);
    }
  }

  #touch(directory: string, name: string | null): void {
    for (const file of this.#contents.keys()) {
      if (dirname(file) === directory && (name === null || basename(file) === name)) this.#touched.add(file);
    }
    if (this.#touched.size === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#compare(), settleMs);
  }

  #compare(): void {
    const changed = [...this.#touched].filter((file) => {
      const content = contentOf(file);
      // A file that is away for a moment is being replaced.
      if (content === undefined || content === this.#contents.get(file)) return false;
      this.#contents.set(file, content);
      return true;
    });
    this.#touched.clear();
    if (changed.length > 0) this.#onChange(changed);
  }
}

function contentOf(file: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('base64');
  } catch {
    return undefined;
  }
}
