import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { HOST } from '../ring/ring-fixture.js';

/** Asks to become a WebSocket at a path; without a key when `key` is empty. */
export function upgrade(path: string, key = `${'A'.repeat(22)}==`): string {
  const lines = ['Host: x', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  if (key !== '') lines.push(`Sec-WebSocket-Key: ${key}`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** A frame as a client sends it, masked by zeros. */
export function maskedFrame(first: number, payload: string | Uint8Array): Buffer {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(bytes.length < 126 ? 6 : 8);
  head[0] = first;
  head[1] = 0x80 | Math.min(bytes.length, 126);
  if (bytes.length >= 126) head.writeUInt16BE(bytes.length, 2);
  return Buffer.concat([head, bytes]);
}

export const FRAME = { text: 0x81, binary: 0x82, firstOfText: 0x01, close: 0x88, ping: 0x89 } as const;

/** Connects, says `bytes`, and hangs up when the other side says goodbye. Resolves when the connection is gone. */
export async function visit(
  port: number,
  bytes: readonly (string | Uint8Array)[],
  hangUp: boolean,
): Promise<void> {
  const socket = await connected(port);
  const gone = ended(socket);
  leaveWhenTold(socket);
  for (const part of bytes) socket.write(part);
  if (hangUp) socket.end();
  await gone;
}

export const ended = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));

/** Ends the connection when a close frame comes: nothing else that a server of ours says has such a byte. */
export function leaveWhenTold(socket: Socket): void {
  socket.on('data', (data) => {
    if (data.includes(FRAME.close)) socket.destroy();
  });
}

/** A connection on which errors are no news. */
export async function connected(port: number): Promise<Socket> {
  const socket = connect(port, HOST);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}
