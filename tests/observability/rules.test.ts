import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { runCommand } from '../../deploy/nats-server/command.js';
import { LocalConfig, PROMETHEUS_FOLDER } from './local-config.js';
import { PrometheusServer, type Rule } from './prometheus-server.js';

const CASES = join(import.meta.dirname, 'rules');
const SEVERITIES = ['critical', 'warning'];

const { prometheus, promtool } = inject('prometheusPrograms');
const check = (...args: string[]): Promise<string> => runCommand(promtool, args, { timeoutMs: 60_000 });

describe('promtool', () => {
  it('finds nothing wrong with the configuration', async () => {
    await expect(check('check', 'config', join(PROMETHEUS_FOLDER, 'prometheus.yml'))).resolves.toContain(
      'SUCCESS',
    );
  });

  it.each(['rules.yml', 'alerts.yml'])('finds nothing wrong with %s', async (name) => {
    await expect(
      check('check', 'rules', '--lint=all', '--lint-fatal', join(PROMETHEUS_FOLDER, name)),
    ).resolves.toContain('SUCCESS');
  });

  it.each(readdirSync(CASES))('sees the rules do what %s says', async (name) => {
    await expect(check('test', 'rules', join(CASES, name))).resolves.toContain('SUCCESS');
  });

  it('fails where an alert would not fire', async () => {
    // Or else the cases above prove nothing.
    await expect(check('test', 'rules', join(CASES, '../wrong-rules/never-down.yml'))).rejects.toThrow();
  });
});

describe('each alert', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gan-rules-'));
  let server: PrometheusServer;
  let alerts: Rule[];

  beforeAll(async () => {
    new LocalConfig(folder, null);
    server = await PrometheusServer.start(prometheus, folder);
    alerts = (await server.rules()).filter(({ type }) => type === 'alerting');
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('has a severity, a summary, and a description that says what to look at first', () => {
    for (const { name, labels, annotations } of alerts) {
      expect(SEVERITIES, name).toContain(labels?.['severity']);
      expect(annotations?.['summary'], name).toMatch(/\w/);
      expect(annotations?.['description'], name).toContain('Look first at');
    }
  });
});
