import { createSocket } from 'node:dgram';

/**
 * The address of this machine from which `url`'s host is reached: in a container that of the network that it shares with it.
 * Asks the routing table, sends nothing. Rejects when the name is unknown or there is no way.
 */
export function ownAddressTowards(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  return new Promise<string>((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(Number(port) || 4222, host, () => resolve(socket.address().address));
  }).finally(() => socket.close());
}
