import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { Hono, type Context } from 'hono';
import { NETWORK_NAMES, type FileRecord, type NetworkName } from '../../proto/index.js';
import { ARTIFACTS_PATH, NEWEST_PATH, type Artifacts, type NewestArtifacts } from '../../proto/artifacts.js';

/** A file that may be given out. */
export interface ServedFile {
  readonly folder: string;
  readonly file: FileRecord;
}

/** What of a run may be had now: nothing else is ever read. */
export interface ArtifactSource {
  readonly artifacts: () => Promise<Artifacts>;
  /** Asks for the newest generator. */
  readonly newest: (networks: readonly NetworkName[]) => Promise<NewestArtifacts>;
  /** A file of the result; null when it is not on the list. */
  readonly find: (name: string) => Promise<ServedFile | null>;
  /** A file of the generator of that step. */
  readonly findNewest: (step: number, name: string) => ServedFile | null;
}

/** `bytes=START-`: what a download that was cut goes on with. */
const REST_OF_FILE = /^bytes=(\d{1,15})-$/;

/** A list of the result's files, and the files, from any byte on; the same for the newest generator. */
export function artifactRoutes(source: ArtifactSource): Hono {
  const app = new Hono();
  app.get(ARTIFACTS_PATH, async (context) => {
    context.header('cache-control', 'no-store');
    return context.json(await source.artifacts());
  });
  app.get(NEWEST_PATH, async (context) => {
    context.header('cache-control', 'no-store');
    const discriminator = context.req.query('discriminator') !== undefined;
    const answer = await source.newest(discriminator ? NETWORK_NAMES : ['generator']);
    return context.json(answer, answer.answer === 'coming' ? 202 : 200);
  });
  app.get(`${NEWEST_PATH}:step{[0-9]{1,15}}/:name`, (context) => {
    const { step, name } = context.req.param();
    return give(context, source.findNewest(Number(step), name));
  });
  app.get(`${ARTIFACTS_PATH}:name{.+}`, async (context) =>
    give(context, await source.find(context.req.param('name'))),
  );
  return app;
}

/** The file, or the rest of it that is asked for; read as fast as it is taken. */
async function give(context: Context, served: ServedFile | null): Promise<Response> {
  if (served === null) return context.notFound();
  const file = await open(join(served.folder, served.file.name)).catch(() => null);
  if (file === null) return context.notFound();
  const etag = `"${served.file.sha256}"`;
  const total = (await file.stat()).size;
  const headers = { 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes', etag };
  const from = startOf(context, etag);
  if (from !== null && from >= total) {
    await file.close();
    return context.body(null, 416, { 'content-range': `bytes */${total}` });
  }
  const start = from ?? 0;
  const length = { 'content-length': String(total - start) };
  const range = from === null ? {} : { 'content-range': `bytes ${start}-${total - 1}/${total}` };
  const status = from === null ? 200 : 206;
  if (context.req.method === 'HEAD') {
    await file.close();
    return context.body(null, status, { ...headers, ...length, ...range });
  }
  const bytes: ReadableStream = Readable.toWeb(file.createReadStream({ start }));
  return context.body(bytes as globalThis.ReadableStream, status, { ...headers, ...length, ...range });
}

/** The byte that the answer is to begin with; null for the whole file, also when it is another one than was begun with. */
function startOf({ req }: Context, etag: string): number | null {
  const range = REST_OF_FILE.exec(req.header('range') ?? '');
  const begun = req.header('if-range');
  return range === null || (begun !== undefined && begun !== etag) ? null : Number(range[1]);
}
