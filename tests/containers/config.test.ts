import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { run } from './docker.js';

const ROOT = resolve(import.meta.dirname, '../..');
const images = inject('containerImages');
const overlays = readdirSync(join(ROOT, 'deploy')).filter((name) =>
  /^compose\.(gpu|nats|tls)[\w-]*\.yaml$/.test(name),
);

interface Service {
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly ports?: readonly { readonly host_ip?: string }[];
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly privileged?: boolean;
}

async function configOf(...overlay: string[]): Promise<Readonly<Record<string, Service>>> {
  const files = ['compose.yaml', ...overlay].flatMap((file) => ['-f', file]);
  const config = ['compose', ...files, '--profile', 'fetch', 'config', '--format', 'json'];
  const { status, stdout, stderr } = await run('docker', config, { cwd: ROOT });
  expect(status, stderr).toBe(0);
  expect(stderr).toBe('');
  return (JSON.parse(stdout) as { services: Record<string, Service> }).services;
}

describe.skipIf(images === null)('the compose files', () => {
  it.each([[], ...overlays.map((name) => [`deploy/${name}`])])(
    'are valid: compose.yaml %s',
    async (...overlay) => {
      const services = await configOf(...overlay);
      expect(Object.keys(services)).toEqual(
        expect.arrayContaining([
          'setup',
          'nats',
          'coordinator',
          'worker',
          'prometheus',
          'grafana',
          'cluster',
          'fetch',
        ]),
      );
      for (const [name, service] of Object.entries(services)) {
        expect([name, service.read_only, service.cap_drop]).toEqual([name, true, ['ALL']]);
        expect([name, service.security_opt]).toEqual([name, ['no-new-privileges:true']]);
        expect([name, service.privileged]).toEqual([name, undefined]);
        // Only fetching has to become somebody.
        expect([name, service.cap_add]).toEqual([name, name === 'fetch' ? ['SETUID', 'SETGID'] : undefined]);
        for (const { host_ip } of service.ports ?? []) expect([name, host_ip]).toEqual([name, '127.0.0.1']);
        const secrets = Object.entries(service.environment ?? {}).filter(
          ([key, value]) =>
            /pass|secret|token|creds?$|seed$/i.test(key) && key !== 'GAN_SEED' && value !== null,
        );
        expect([name, secrets]).toEqual([name, []]);
      }
    },
  );

  it('for workers alone are valid, and ask for what they need', async () => {
    const config = (env: NodeJS.ProcessEnv) =>
      run('docker', ['compose', '-f', 'deploy/compose.worker.yaml', 'config', '-q'], { cwd: ROOT, env });
    const missing = await config({});
    expect(missing.status).not.toBe(0);
    expect(missing.stderr).toMatch(/missing a value: (the NATS server of the cluster|the address at which)/);
    const whole = await config({ GAN_NATS_URL: 'tls://10.0.0.1:4222', GAN_ADVERTISE_HOST: '10.0.0.2' });
    expect(whole.status, whole.stderr).toBe(0);
  });

  it('show Grafana to everybody who reaches it, and let nobody change or log in', async () => {
    const { grafana } = await configOf();
    expect(grafana?.environment).toMatchObject({
      GF_AUTH_ANONYMOUS_ENABLED: 'true',
      GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
      GF_AUTH_DISABLE_LOGIN_FORM: 'true',
      GF_AUTH_BASIC_ENABLED: 'false',
      GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: 'true',
    });
  });
});
