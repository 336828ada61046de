// Somebody on the cluster's network who knows all addresses and no secret. Tells in JSON what came of it.
//   node outsider.mjs WORKER_ADDRESS...
import { connect } from 'node:net';

const GARBAGE = Buffer.alloc(100_000, 0xff);
const UPGRADE = (host) =>
  `GET /ring HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

/** What a port answers to some bytes until it closes, or for 8 s. */
function say(host, port, bytes) {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, host);
    const end = () => {
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(end, 8_000);
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (data) => (answer += data.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      end();
    });
  });
}

const workers = process.argv.slice(2);
const NATS = 'CONNECT {"verbose":true,"pedantic":false}\r\nPUB gan.default.all.stop 2\r\n{}\r\nPING\r\n';
const nats = await say('nats', 4222, NATS);
const ring = await Promise.all(workers.map((host) => say(host, 7000, UPGRADE(host) + GARBAGE)));
const garbage = await Promise.all(
  [
    ...workers.flatMap((host) => [
      [host, 7000],
      [host, 9464],
    ]),
    ['coordinator', 8080],
    ['coordinator', 9464],
    ['nats', 4222],
  ].map(([host, port]) => say(host, port, GARBAGE)),
);
// A flood: hundreds of connections that say nothing.
await Promise.all(workers.flatMap((host) => Array.from({ length: 200 }, () => say(host, 7000, ''))));
console.log(JSON.stringify({ nats, ring, garbage: garbage.length }));
