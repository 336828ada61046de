import { connect, type NatsConnection } from 'nats';
import { readFileSync } from 'node:fs';
import type { NatsHost } from './nats-host.js';

const STREAM = 'filler';
const PIECE_BYTES = 512 << 10;
const LAST_PIECE_BYTES = 64;

/** Somebody else who fills the store to its last byte. */
export class StoreFiller {
  private constructor(private readonly connection: NatsConnection) {}

  static async fill({ url, credentialsFile }: NatsHost): Promise<StoreFiller> {
    const [user = '', pass = ''] = readFileSync(credentialsFile, 'utf8').trim().split(':');
    const connection = await connect({ servers: url, user, pass });
    const manager = await connection.jetstreamManager();
    await manager.streams.add({ name: STREAM, subjects: [STREAM] });
    for (let bytes = PIECE_BYTES; bytes >= LAST_PIECE_BYTES; bytes >>= 1) {
      const piece = new Uint8Array(bytes);
      const isTaken = (): Promise<boolean> =>
        connection
          .jetstream()
          .publish(STREAM, piece)
          .then(
            () => true,
            () => false,
          );
      while (await isTaken());
    }
    return new StoreFiller(connection);
  }

  /** Takes all of it away again. */
  async empty(): Promise<void> {
    const manager = await this.connection.jetstreamManager();
    await manager.streams.delete(STREAM);
    await this.connection.close();
  }
}
