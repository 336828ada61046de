import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, inject } from 'vitest';
import { LocalConfig } from './local-config.js';
import { PrometheusServer, type Rule } from './prometheus-server.js';

/** The project's rules as a real Prometheus has read them, in the tests of the suite that calls this. */
export function loadedRules(): () => readonly Rule[] {
  const folder = mkdtempSync(join(tmpdir(), 'gan-rules-'));
  let server: PrometheusServer | undefined;
  let rules: readonly Rule[] = [];
  beforeAll(async () => {
    new LocalConfig(folder, null);
    server = await PrometheusServer.start(inject('prometheusPrograms').prometheus, folder);
    rules = await server.rules();
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return () => rules;
}
