import type { NatsConnection } from 'nats';
import { OperationalError, type FileRecord } from '../proto/index.js';
import { sha256Of } from '../proto/runtime/sha256.js';
import { objectStoreName, storeWords } from '../proto/runtime/stores.js';
import type { NamedFile } from './export/index.js';
import { ObjectChunks } from './object-chunks.js';

/** The worker's side of a run's object store: puts states and exported files there, fetches a state to go on from. */
export class ObjectFiles {
  private readonly store: ObjectChunks;

  constructor(connection: NatsConnection, runId: string) {
    this.store = new ObjectChunks(connection, objectStoreName(runId));
  }

  /** Throws OperationalError('checkpoint') when the store takes nothing. */
  async put(file: NamedFile): Promise<FileRecord> {
    try {
      await this.store.put(file.name, file.bytes);
    } catch (error) {
      throw new OperationalError('checkpoint', `${file.name} could not be stored: ${storeWords(error)}`);
    }
    return { name: file.name, bytes: file.bytes.byteLength, sha256: sha256Of(file.bytes) };
  }

  async fetch(name: string, sha256: string): Promise<Uint8Array> {
    const bytes = await this.store.get(name);
    if (bytes === null)
      throw new OperationalError('checkpoint', `object ${name} was expected in the object store, found none`);
    const found = sha256Of(bytes);
    if (found !== sha256) {
      throw new OperationalError(
        'checkpoint',
        `object ${name} was expected to have SHA-256 ${sha256.slice(0, 12)}..., found ${found.slice(0, 12)}...`,
      );
    }
    return bytes;
  }
}
