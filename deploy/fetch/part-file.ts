import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { OperationalError, UsageError, messageOf, type FileRecord } from '../../proto/index.js';
import { sha256Of } from '../../proto/runtime/sha256.js';

/** Enough of a SHA-256 to tell contents apart, few enough for a name. */
const HASH_DIGITS = 12;
const PART = /^(.+)\.[0-9a-f]{12}\.part$/;
const NO_ROOM = ['ENOSPC', 'EDQUOT'];

/**
 * What has come so far of a file, beside the place where it will lie. Its name tells which content it is a part of, so that
 * a download goes on with it, also in another process, and never with a part of something else.
 */
export class PartFile {
  private constructor(
    private readonly path: string,
    private readonly part: string,
    private readonly record: FileRecord,
    private readonly handle: FileHandle,
    /** Bytes that are there, from the beginning. */
    private length: number,
  ) {}

  /**
   * Opens what is there of the file that is to lie at `path`, or begins it; parts of other contents of that name go. Throws
   * UsageError when the folder cannot be written to.
   */
  static async open(path: string, record: FileRecord): Promise<PartFile> {
    const part = `${path}.${record.sha256.slice(0, HASH_DIGITS)}.part`;
    try {
      await dropParts(dirname(path), basename(path), basename(part));
      const handle = await open(part, constants.O_RDWR | constants.O_CREAT, 0o644);
      const { size } = await handle.stat();
      return new PartFile(path, part, record, handle, size > record.bytes ? 0 : size);
    } catch (error) {
      throw writeFailure(path, record.bytes, error);
    }
  }

  get bytes(): number {
    return this.length;
  }

  /** Nothing of it counts any more: what comes is written over it. */
  restart(): void {
    this.length = 0;
  }

  /**
   * Appends. At its place in the file, so that another process which fetches the same writes the same over it. Throws
   * OperationalError when the disk is full, else UsageError.
   */
  async write(piece: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < piece.byteLength;) {
        const { bytesWritten } = await this.handle.write(piece, at, piece.byteLength - at, this.length);
        at += bytesWritten;
        this.length += bytesWritten;
      }
    } catch (error) {
      throw writeFailure(this.path, this.record.bytes - this.length, error);
    }
  }

  /** Makes sure that the whole is what was announced. Throws OperationalError when it is not; then nothing stays of it. */
  async verify(): Promise<void> {
    const { sha256, bytes } = this.record;
    await this.handle.truncate(bytes);
    const hash = createHash('sha256');
    for await (const piece of this.handle.createReadStream({ start: 0, autoClose: false }))
      hash.update(piece as Uint8Array);
    const found = hash.digest('hex');
    if (found === sha256) return;
    await rm(this.part, { force: true });
    throw new OperationalError(
      'run-failed',
      `${basename(this.path)} was expected with SHA-256 ${sha256}, what came has ${found}: nothing was kept of it, fetch again`,
    );
  }

  /** Gives the file its name. It has been verified. */
  async publish(): Promise<void> {
    try {
      await this.handle.sync();
      await rename(this.part, this.path);
    } catch (error) {
      // Another process that fetched the same was quicker.
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (isMissing && (await isThere(this.path, this.record))) return;
      throw writeFailure(this.path, 0, error);
    }
  }

  /** What has come stays. */
  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** Removes what earlier attempts have left of a file, but for one part. */
export async function dropParts(folder: string, name: string, except?: string): Promise<void> {
  for (const found of await readdir(folder))
    if (PART.exec(found)?.[1] === name && found !== except) await rm(join(folder, found), { force: true });
}

/** Whether the whole file lies at `path` already. */
export async function isThere(path: string, { sha256 }: FileRecord): Promise<boolean> {
  const bytes = await readFile(path).catch(() => null); // then it is fetched
  return bytes !== null && sha256Of(bytes) === sha256;
}

function writeFailure(path: string, missingBytes: number, error: unknown): OperationalError {
  const [folder, name] = [dirname(path), basename(path)];
  if (NO_ROOM.includes((error as NodeJS.ErrnoException).code ?? ''))
    return new OperationalError(
      'run-failed',
      `--out: the disk of ${folder} is full, ${missingBytes} bytes of ${name} are missing: make room and fetch again, which goes on from there`,
    );
  return new UsageError(`--out: ${name} cannot be written to ${folder}: ${messageOf(error)}`);
}
