import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * Where what is downloaded once is kept (MNIST, nats-server): `GAN_CACHE_DIR`, else `XDG_CACHE_HOME/gan-cluster`, else
 * `~/Library/Caches/gan-cluster` on macOS and `~/.cache/gan-cluster` elsewhere. The folder need not exist yet.
 */
export function cacheFolder(
  environment: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string {
  const own = environment['GAN_CACHE_DIR'];
  if (own) return resolve(own);
  const xdg = environment['XDG_CACHE_HOME'];
  // The XDG specification has relative paths ignored.
  if (xdg && isAbsolute(xdg)) return join(xdg, 'gan-cluster');
  return platform === 'darwin'
    ? join(home, 'Library', 'Caches', 'gan-cluster')
    : join(home, '.cache', 'gan-cluster');
}
