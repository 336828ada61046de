import { docker } from './docker.js';

const LISTENS = '0A';

/** Ports on which a container can be reached from outside it, ascending. */
export async function openPorts(id: string): Promise<number[]> {
  const tables = await docker('exec', id, 'cat', '/proc/net/tcp', '/proc/net/tcp6');
  const ports = tables.split('\n').flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const [address = '', port = ''] = local.split(':');
    return state === LISTENS && !isLoopback(address) ? [Number.parseInt(port, 16)] : [];
  });
  return [...new Set(ports)].sort((a, b) => a - b);
}

/** Of /proc/net/tcp: 127.0.0.0/8 and ::1, in the order of bytes of the machine. */
const isLoopback = (address: string): boolean =>
  address.length === 8 ? address.endsWith('7F') : address === '00000000000000000000000001000000';

/** Status and output of a shell command in a container; never throws. */
export function tryIn(id: string, command: string): Promise<string> {
  return docker('exec', id, 'sh', '-c', `${command} 2>&1; echo "status $?"`);
}
