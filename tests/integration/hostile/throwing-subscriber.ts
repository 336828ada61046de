/** A process whose handler of stops throws, as a bug of ours would. Told where: server, credentials, cluster. */
import { Bus } from '../../../proto/runtime/bus.js';

const [url = '', credentialsFile = '', cluster = ''] = process.argv.slice(2);
const bus = await Bus.connect({ url, credentialsFile, cluster, name: 'throwing' });
bus.onAll('stop', () => {
  throw new Error('a bug of ours');
});
await bus.flush();
process.send?.('listening');
