import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { cacheFolder } from '../../../proto/runtime/cache-folder.js';

it.each([
  [{ GAN_CACHE_DIR: '/own', XDG_CACHE_HOME: '/xdg' }, 'linux', '/own'],
  [{ GAN_CACHE_DIR: 'own' }, 'linux', resolve('own')],
  [{ GAN_CACHE_DIR: '', XDG_CACHE_HOME: '/xdg' }, 'linux', '/xdg/gan-cluster'],
  [{ XDG_CACHE_HOME: '/xdg' }, 'darwin', '/xdg/gan-cluster'],
  [{ XDG_CACHE_HOME: 'relative' }, 'linux', '/home/a/.cache/gan-cluster'],
  [{}, 'linux', '/home/a/.cache/gan-cluster'],
  [{}, 'darwin', '/home/a/Library/Caches/gan-cluster'],
] as const)('%o on %s is %s', (environment, platform, expected) => {
  expect(cacheFolder(environment, platform, '/home/a')).toBe(expected);
});
