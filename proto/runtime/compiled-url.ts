/**
 * The compiled file that belongs to a relative path, also when the importing module runs from its TypeScript source
 * (tests do): threads and child processes are started from dist.
 * @param from import.meta.url of the module that asks
 */
export function compiledUrl(from: string, relative: string): URL {
  const url = new URL(relative, from);
  if (!from.endsWith('.ts')) return url;
  const root = new URL('../../', import.meta.url).href; // this file is two folders below the root
  return new URL(`dist/${url.href.slice(root.length)}`, root);
}
