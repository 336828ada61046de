import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Hono } from 'hono';
import { ARTIFACTS_PATH, type Artifacts } from '../../proto/artifacts.js';

export interface ArtifactSource {
  /** The result folder. */
  readonly folder: string;
  /** What of it may be had now: nothing else is ever read. */
  readonly artifacts: () => Promise<Artifacts>;
}

/** `bytes=START-`: what a download that was cut goes on with. */
const REST_OF_FILE = /^bytes=(\d{1,15})-$/;

/** A list of the result's files, and the files; from any byte on. */
export function artifactRoutes({ folder, artifacts }: ArtifactSource): Hono {
  const app = new Hono();
  app.get(ARTIFACTS_PATH, async (context) => {
    context.header('cache-control', 'no-store');
    return context.json(await artifacts());
  });
  app.get(`${ARTIFACTS_PATH}:name{.+}`, async (context) => {
    const wanted = context.req.param('name');
    const file = (await artifacts()).files.find(({ name }) => name === wanted);
    if (file === undefined) return context.notFound();
    const bytes = await readFile(join(folder, file.name)).catch(() => null);
    if (bytes === null) return context.notFound();
    const headers = {
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      etag: `"${file.sha256}"`,
    };
    const range = REST_OF_FILE.exec(context.req.header('range') ?? '');
    const from = range === null ? 0 : Number(range[1]);
    if (range === null) return context.body(new Uint8Array(bytes), 200, headers);
    const total = bytes.byteLength;
    if (from >= total) return context.body(null, 416, { 'content-range': `bytes */${total}` });
    const rest = new Uint8Array(bytes.subarray(from));
    return context.body(rest, 206, { ...headers, 'content-range': `bytes ${from}-${total - 1}/${total}` });
  });
  return app;
}
