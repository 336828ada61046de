import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Hono } from 'hono';
import { WebSocketServer } from 'ws';
import { LIVE_PATH, liveMessageSchema, SAMPLES_PATH, type LiveMessage } from '../../proto/live.js';
import { HttpEndpoint } from '../../proto/runtime/http-endpoint.js';
import { scriptedPicture } from './scripted-picture.js';
import type { ScriptedRun } from './scripted-run.js';

const PAGE = resolve(import.meta.dirname, '../../dist/dashboards/live-page');
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
};
/** As strict as the coordinator's. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'";

/**
 * Serves the built page as a coordinator does, and tells it a scripted run. For developing the page and for testing its states:
 * nothing is trained here.
 */
export class FeedServer {
  private constructor(
    readonly run: ScriptedRun,
    private readonly endpoint: HttpEndpoint,
    private readonly sockets: WebSocketServer,
    /** Also after it was stopped. */
    readonly port: number,
  ) {}

  static async start(run: ScriptedRun, port = 0): Promise<FeedServer> {
    const endpoint = await HttpEndpoint.listen({ app: appOf(run), host: '127.0.0.1', port, flag: 'port' });
    const sockets = new WebSocketServer({ server: endpoint.server, path: LIVE_PATH, maxPayload: 1_024 });
    sockets.on('connection', (socket) => {
      for (const message of run.snapshot()) socket.send(encode(message));
    });
    return new FeedServer(run, endpoint, sockets, endpoint.port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  tell(messages: readonly LiveMessage[]): void {
    for (const message of messages) for (const socket of this.sockets.clients) socket.send(encode(message));
  }

  /** Something that no coordinator says. */
  tellRubbish(text: string): void {
    for (const socket of this.sockets.clients) socket.send(text);
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets.clients) socket.terminate();
    this.sockets.close();
    await this.endpoint.close();
  }
}

/** Refuses what a coordinator could not have sent. */
const encode = (message: LiveMessage): string => JSON.stringify(liveMessageSchema.parse(message));

function appOf(run: ScriptedRun): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    context.header('content-security-policy', POLICY);
    context.header('x-content-type-options', 'nosniff');
  });
  for (const [path, [file, type]] of Object.entries(FILES)) {
    app.get(path, async (context) =>
      context.body(await readFile(join(PAGE, file)), 200, { 'content-type': type }),
    );
  }
  app.get(`${SAMPLES_PATH}:file`, (context) => {
    const step = Number(/^(\d+)\.png$/.exec(context.req.param('file'))?.[1] ?? Number.NaN);
    if (!run.hasSample(step)) return context.notFound();
    return context.body(Uint8Array.from(scriptedPicture(run.shareOf(step))), 200, {
      'content-type': 'image/png',
    });
  });
  return app;
}
