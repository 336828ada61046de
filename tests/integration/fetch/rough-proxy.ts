import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What becomes of one answer: bytes of its body after which the connection is cut; or what a proxy makes of the headers. */
export interface Roughness {
  readonly cutAfter?: number;
  /** Passes no ranges on, as some proxies do. */
  readonly dropsRanges?: boolean;
  /** Answers with this by itself. */
  readonly status?: number;
  /** To all further requests as well. */
  readonly always?: boolean;
}

/** An HTTP proxy before one server, which does to each request for a path what the test has planned, in order. */
export class RoughProxy {
  /** `GET /path range`, in order. */
  readonly seen: string[] = [];
  private planned: { readonly path: string; readonly what: Roughness }[] = [];

  private constructor(
    private readonly server: Server,
    private readonly target: () => number,
  ) {}

  static async start(target: () => number): Promise<RoughProxy> {
    const server = createServer();
    const proxy = new RoughProxy(server, target);
    server.on('request', (asked, answer) => proxy.pass(asked, answer));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** For the next request whose path ends so. */
  plan(path: string, what: Roughness): void {
    this.planned.push({ path, what });
  }

  /** What was to happen always is over. */
  relent(): void {
    this.planned = this.planned.filter(({ what }) => what.always !== true);
  }

  /** What was planned and did not happen. */
  get left(): number {
    return this.planned.filter(({ what }) => what.always !== true).length;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private pass(asked: IncomingMessage, answer: ServerResponse): void {
    const { url = '', headers } = asked;
    this.seen.push([url, headers.range].filter(Boolean).join(' '));
    const index = this.planned.findIndex(({ path }) => url.endsWith(path));
    const what = this.planned[index]?.what ?? {};
    if (index >= 0 && what.always !== true) this.planned.splice(index, 1);
    if (what.status !== undefined) return void answer.writeHead(what.status).end();
    const passed = Object.entries(headers).filter(
      ([name]) => what.dropsRanges !== true || !name.includes('range'),
    );
    const onward = request({
      ...{ port: this.target(), host: '127.0.0.1', path: url },
      headers: Object.fromEntries(passed),
    });
    onward.on('error', () => answer.destroy());
    onward.on('response', (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers);
      let left = what.cutAfter ?? Infinity;
      got.on('data', (piece: Buffer) => {
        answer.write(piece.subarray(0, Math.min(left, piece.length)));
        left -= piece.length;
        if (left <= 0) got.destroy();
      });
      got.on('close', () => (left <= 0 ? cut(answer) : answer.end()));
    });
    onward.end();
  }
}

/** Without the rest, once what was written has gone out. */
function cut(answer: ServerResponse): void {
  answer.write('', () => answer.socket?.destroySoon());
}
