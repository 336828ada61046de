import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileRecord } from '../proto/index.js';
import type { Artifacts } from '../proto/artifacts.js';
import { ResultFolder } from './result-folder.js';

/** Beside the result's files, and gone with the run's end. */
const SHELF_FOLDER = '.newest';
/** While one is being downloaded, the next one may come. */
const KEPT = 2;

type KeptGenerator = NonNullable<Artifacts['newest']>;

/** The newest generators that were exported while the run goes on: files on the disk, listed in memory. */
export class NewestShelf {
  /** Newest last. */
  private kept: KeptGenerator[] = [];
  private isClosed = false;

  private constructor(private readonly path: string) {}

  /** A shelf in a result folder, empty: what a process before left there belongs to nobody any more. */
  static async open(resultFolder: string): Promise<NewestShelf> {
    const shelf = new NewestShelf(join(resultFolder, SHELF_FOLDER));
    await shelf.clear();
    return shelf;
  }

  get newest(): KeptGenerator | null {
    return this.kept.at(-1) ?? null;
  }

  /** The folder and the record of a file that is kept; null when there is none. */
  find(step: number, name: string): { readonly folder: string; readonly file: FileRecord } | null {
    const file = this.kept
      .find((generator) => generator.step === step)
      ?.files.find((record) => record.name === name);
    return file === undefined ? null : { folder: this.folderOf(step), file };
  }

  /**
   * Keeps what `write` puts into the folder that it is given, and drops the oldest. One of the same step is replaced file
   * by file. Rejects with what `write` rejects with; then nothing is listed.
   */
  async keep(
    step: number,
    stateSha256: string,
    write: (folder: ResultFolder) => Promise<FileRecord[]>,
  ): Promise<void> {
    const others = this.kept.filter((generator) => generator.step !== step);
    try {
      const files = await write(new ResultFolder(this.folderOf(step)));
      this.kept = [...others, { step, stateSha256, files }];
      if (this.isClosed) return await this.clear();
    } catch (error) {
      this.kept = others;
      await this.remove(step);
      throw error;
    }
    for (const old of this.kept.splice(0, this.kept.length - KEPT)) await this.remove(old.step);
  }

  /** Nothing is given out any more, nor kept. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.clear();
  }

  /** What cannot be removed stays, unlisted. */
  private async clear(): Promise<void> {
    this.kept = [];
    await rm(this.path, { recursive: true, force: true }).catch(() => undefined);
  }

  private folderOf(step: number): string {
    return join(this.path, String(step));
  }

  private remove(step: number): Promise<void> {
    return rm(this.folderOf(step), { recursive: true, force: true });
  }
}
