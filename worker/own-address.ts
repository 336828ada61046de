import { createSocket } from 'node:dgram';
import { hostOf, serversIn } from '../proto/runtime/nats-servers.js';

/** No port in particular: nothing is sent to it. */
const ANY_PORT = 4222;

/**
 * The address of this machine from which `url`'s host is reached, or of the first of its hosts that is known: in a container
 * that of the network that it shares with it. Asks the routing table, sends nothing. Rejects when no name is known, or there
 * is no way.
 */
export async function ownAddressTowards(url: string): Promise<string> {
  const [first = '', ...others] = serversIn(url).map(hostOf);
  try {
    return await addressTowards(first);
  } catch (error) {
    for (const host of others) {
      const found = await addressTowards(host).catch(() => null);
      if (found !== null) return found;
    }
    throw error;
  }
}

function addressTowards(host: string): Promise<string> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  return new Promise<string>((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(ANY_PORT, host, () => resolve(socket.address().address));
  }).finally(() => socket.close());
}
