/** The servers of one NATS cluster, in the order in which a URL names them: with commas between them. Pure. */
export const serversIn = (url: string): readonly string[] => url.split(',');

/** Host of one server's URL, without the brackets of an IPv6 address. Pure. */
export function hostOf(server: string): string {
  const { hostname } = new URL(server.replace(/^(nats|tls):/, 'http:'));
  return hostname.replace(/^\[(.*)\]$/, '$1');
}
