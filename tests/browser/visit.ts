import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';

export interface VisitOptions {
  readonly width?: number;
  readonly height?: number;
  readonly theme?: 'light' | 'dark';
  readonly calm?: boolean;
}

/** What the browser itself says when a server is away: no fault of the page. */
const AWAY = /^(WebSocket connection to .* failed|Failed to load resource: net::ERR_)/;
const FINE_SCHEMES = ['data:', 'blob:'];

/** Somebody looks at the page: what they see, what the console complains of, where the page's requests go. */
export class Visit {
  /** Errors on the console and errors that nobody caught. */
  readonly complaints: string[] = [];
  /** Requests to anybody but the page's own server. */
  readonly strangers: string[] = [];
  private serverAway = false;

  private constructor(
    readonly page: Page,
    private readonly context: BrowserContext,
    host: string,
  ) {
    page.on('console', (message) => {
      if (message.type() === 'error') this.complain(message.text());
    });
    page.on('pageerror', (error) => this.complain(String(error)));
    const judge = (url: string): void => {
      const { protocol, host: asked } = new URL(url);
      if (!FINE_SCHEMES.includes(protocol) && asked !== host) this.strangers.push(url);
    };
    page.on('request', (request) => judge(request.url()));
    page.on('websocket', (socket) => judge(socket.url()));
  }

  static async open(browser: Browser, url: string, options: VisitOptions = {}): Promise<Visit> {
    const { width = 1_440, height = 900, theme = 'light', calm = false } = options;
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: theme,
      reducedMotion: calm ? 'reduce' : 'no-preference',
      serviceWorkers: 'block',
    });
    const visit = new Visit(await context.newPage(), context, new URL(url).host);
    await visit.page.goto(url);
    return visit;
  }

  /** Carries out `during`, in which the server may be away and the browser may say so. */
  async whileAway(during: () => Promise<void>): Promise<void> {
    this.serverAway = true;
    try {
      await during();
    } finally {
      this.serverAway = false;
    }
  }

  /** What the element with this id says. */
  async says(id: string): Promise<string> {
    return (await this.page.locator(`#${id}`).innerText()).trim();
  }

  /** Waits until the element with this id says it. */
  async awaits(id: string, words: string | RegExp, timeoutMs = 20_000): Promise<void> {
    await this.page.locator(`#${id}`).filter({ hasText: words }).waitFor({ timeout: timeoutMs });
  }

  /** Keeps what is seen as `<name>.png` in the folder that GAN_SCREENSHOTS names; without it nothing is kept. */
  async screenshot(name: string, { whole = false } = {}): Promise<void> {
    const folder = process.env['GAN_SCREENSHOTS'];
    if (folder === undefined || folder === '') return;
    mkdirSync(folder, { recursive: true });
    await this.page.screenshot({ path: join(folder, `${name}.png`), fullPage: whole });
  }

  close(): Promise<void> {
    return this.context.close();
  }

  private complain(text: string): void {
    if (!(this.serverAway && AWAY.test(text))) this.complaints.push(text);
  }
}
