import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeRoutes } from '../../../deploy/setup/index.js';

const ROUTES = ['a:6222', 'b:6222', '[::1]:6222'];
let secrets: string;
let file: string;
beforeEach(() => {
  secrets = mkdtempSync(join(tmpdir(), 'gan-routes-'));
  file = join(secrets, 'nats/cluster.conf');
});
afterEach(() => rmSync(secrets, { recursive: true, force: true }));

const make = (routes: readonly string[]): Promise<string> => makeRoutes({ secrets, cluster: 'c', routes });
const written = (): { password: string; text: string } => {
  const text = readFileSync(file, 'utf8');
  return { text, password: /"password": "([^"]+)"/.exec(text)?.[1] ?? '' };
};

describe('routes between NATS servers', () => {
  it('have a password of their own, which is not told and readable by one user only', async () => {
    const said = await make(ROUTES);
    const { text, password } = written();
    expect(password).toMatch(/^[A-Za-z0-9_-]{43}$/);
    for (const route of ROUTES) expect(text).toContain(`nats-route://route:${password}@${route}`);
    expect(text).toContain('"port": 6222');
    expect(said).not.toContain(password);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('keep it when servers are added, so that those that run are not cut off', async () => {
    await make(ROUTES);
    const { password } = written();
    await make([...ROUTES, 'd:6222', 'e:6222']);
    expect(written().password).toBe(password);
    expect(written().text).toContain('@e:6222');
  });

  it.each([
    [['a:6222'], /--nats-routes: the servers of a NATS cluster were expected, found 1$/],
    [['a:6222', 'b'], /--nats-routes: HOST:PORT was expected of every server, found b$/],
    [['a:6222', 'u:p@b:6222'], /found u:p@b:6222$/],
  ])('are refused when they are %j', async (routes, words) => {
    await expect(make(routes)).rejects.toThrow(words);
  });

  it("do not write over what is not setup's", async () => {
    mkdirSync(dirname(file));
    writeFileSync(file, 'cluster { port: 6222 }\n');
    await expect(make(ROUTES)).rejects.toThrow(/expected to be one of setup's: remove it/);
    expect(readFileSync(file, 'utf8')).toBe('cluster { port: 6222 }\n');
  });
});
