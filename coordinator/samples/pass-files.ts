import { readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../proto/index.js';
import { writeWholeFile } from '../../proto/runtime/whole-file.js';

/** Pictures that wait for a disk that takes nothing; beyond that the oldest is given up. */
const MAX_UNWRITTEN = 200;
/** Far more than any grid has. */
const MAX_FILE_BYTES = 16 * 1_048_576;

export const passFileName = (pass: number): string => `pass-${String(pass).padStart(4, '0')}.png`;

function passOf(name: string): number | null {
  const pass = Number(/^pass-(\d{4,9})\.png$/.exec(name)?.[1] ?? 0);
  return pass > 0 && passFileName(pass) === name ? pass : null;
}

/**
 * A folder of pictures, one for each pass. What should be there is decided at once (`put`, `removeAbove`), and the disk
 * follows in order. What the disk refuses is told, and tried again whenever the folder is asked to follow.
 */
export class PassFiles {
  private readonly unwritten = new Map<number, Uint8Array>();
  private readonly unremoved = new Set<number>();
  private work = Promise.resolve();
  /** A round is waiting to begin: it will find all that is wished until then. */
  private isDue = false;

  private constructor(
    readonly folder: string,
    private readonly written: Set<number>,
    private readonly onWarning: (text: string) => void,
  ) {}

  /** A missing folder is an empty one: it is made with the first picture. */
  static async open(folder: string, onWarning: (text: string) => void): Promise<PassFiles> {
    const names = await readdir(folder).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        onWarning(`the sample grids of before cannot be found: ${messageOf(error)}`);
      return [];
    });
    return new PassFiles(folder, new Set(names.map(passOf).filter((pass) => pass !== null)), onWarning);
  }

  /** Passes whose picture is there, ascending. */
  get passes(): readonly number[] {
    return [...this.written].sort((a, b) => a - b);
  }

  /** Throws what the file system throws. */
  async read(pass: number): Promise<Uint8Array> {
    const path = this.path(pass);
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES)
      throw new Error(`at most ${MAX_FILE_BYTES} bytes were expected, found ${size}`);
    return readFile(path);
  }

  put(pass: number, png: Uint8Array): void {
    this.unwritten.delete(pass); // what is put again goes to the end of the queue
    this.unwritten.set(pass, png);
    const [oldest] = this.unwritten.keys();
    if (this.unwritten.size > MAX_UNWRITTEN && oldest !== undefined) {
      this.unwritten.delete(oldest);
      this.onWarning(
        `${passFileName(oldest)} is given up: ${MAX_UNWRITTEN} newer sample grids wait for the disk`,
      );
    }
    this.follow();
  }

  /** Removes the pictures of all passes above `pass`, and those that wait to be written. */
  removeAbove(pass: number): void {
    for (const later of [...this.unwritten.keys()].filter((found) => found > pass))
      this.unwritten.delete(later);
    for (const later of this.passes.filter((found) => found > pass)) this.unremoved.add(later);
    this.follow();
  }

  /** Tries again what the disk has refused. */
  follow(): void {
    if (this.isDue || this.unwritten.size + this.unremoved.size === 0) return;
    this.isDue = true;
    this.work = this.work.then(() => this.bringAbout());
  }

  /** When the disk has done, or refused, all that was asked until now. */
  settled(): Promise<void> {
    return this.work;
  }

  /** Each wish is tried once, so that one bad name does not hold up the others, and the first refusal is told. */
  private async bringAbout(): Promise<void> {
    this.isDue = false;
    const refusals: string[] = [];
    const attempt = async (effect: () => Promise<void>): Promise<void> => {
      try {
        await effect();
      } catch (error) {
        refusals.push(messageOf(error));
      }
    };
    for (const pass of [...this.unremoved]) await attempt(() => this.remove(pass));
    for (const pass of [...this.unwritten.keys()]) {
      const png = this.unwritten.get(pass);
      if (png !== undefined) await attempt(() => this.write(pass, png));
    }
    if (refusals.length > 0) {
      this.onWarning(
        `${refusals.length} of the sample grids in ${this.folder} could not be written or removed ` +
          `(tried again with the next one): ${refusals[0] ?? ''}`,
      );
    }
  }

  private async write(pass: number, png: Uint8Array): Promise<void> {
    await writeWholeFile(this.path(pass), png);
    this.written.add(pass);
    this.unremoved.delete(pass); // what could not be removed has been replaced
    if (this.unwritten.get(pass) === png) {
      this.unwritten.delete(pass);
    } else if (!this.unwritten.has(pass)) {
      this.unremoved.add(pass); // taken back while it was being written
      await this.remove(pass);
    }
  }

  private async remove(pass: number): Promise<void> {
    await rm(this.path(pass), { force: true });
    this.unremoved.delete(pass);
    this.written.delete(pass);
  }

  private path(pass: number): string {
    return join(this.folder, passFileName(pass));
  }
}
