import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';
import { makeRoutes, setup } from '../../../deploy/setup/index.js';
import { options } from '../../../deploy/cli/options.js';

const ROOT = resolve(import.meta.dirname, '../../..');
const ROUTES = [0, 1, 2].map((server) => `nats-${server}.nats-servers:6222`);
/** Where the library has the schema and the type of a kind. */
const MODULES = {
  Deployment: 'kubernetes-models/apps/v1',
  StatefulSet: 'kubernetes-models/apps/v1',
  NetworkPolicy: 'kubernetes-models/networking.k8s.io/v1',
  PodDisruptionBudget: 'kubernetes-models/policy/v1',
  PodMonitor: '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  ConfigMap: 'kubernetes-models/v1',
  Namespace: 'kubernetes-models/v1',
  Secret: 'kubernetes-models/v1',
  Service: 'kubernetes-models/v1',
};
type Kind = keyof typeof MODULES;

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}
interface Manifest {
  readonly kind: Kind;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly ports?: readonly { readonly targetPort: string }[];
    readonly podMetricsEndpoints?: readonly {
      readonly port: string;
      readonly relabelings: readonly object[];
    }[];
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: { readonly containers: readonly [Container]; readonly volumes: readonly object[] };
    };
  };
}

const inOneLine = (data: Manifest['data']): Manifest['data'] =>
  Object.fromEntries(Object.entries(data ?? {}).map(([key, value]) => [key, value.replace(/\s/g, '')]));

/** Throws what the kind's schema has against a value. */
async function validate(kind: Kind, value: object): Promise<void> {
  const models = (await import(MODULES[kind])) as Record<Kind, new (data: object) => { validate(): void }>;
  new models[kind](value).validate();
}

/** What the compiler has against manifests as values of the library's types. */
function complaints(manifests: readonly Manifest[]): string[] {
  const file = join(ROOT, 'tests/unit/project/manifests.ts');
  const typeOf = ({ kind }: Manifest): string => `import('${MODULES[kind]}').I${kind}`;
  const text = manifests
    .map((manifest, i) => `export const m${i}: ${typeOf(manifest)} = ${JSON.stringify(manifest)};`)
    .join('\n');
  const compilerOptions: ts.CompilerOptions = {
    ...{ strict: true, noEmit: true, skipLibCheck: true, types: [] },
    ...{ target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.NodeNext },
  };
  const host = ts.createCompilerHost(compilerOptions);
  const found = { ...host };
  host.fileExists = (path) => path === file || found.fileExists(path);
  host.getSourceFile = (path, target) =>
    path === file ? ts.createSourceFile(path, text, target) : found.getSourceFile(path, target);
  return ts
    .getPreEmitDiagnostics(ts.createProgram([file], compilerOptions, host))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

const kubectl = spawnSync('kubectl', ['version', '--client']).status === 0;
if (!kubectl) console.log('The Kubernetes manifests are not built: no kubectl in PATH.');

describe.skipIf(!kubectl)('the Kubernetes manifests', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gan-kubernetes-'));
  let manifests: Manifest[] = [];

  beforeAll(async () => {
    for (const part of ['kubernetes', 'nats'])
      cpSync(join(ROOT, 'deploy', part), join(folder, part), {
        recursive: true,
        filter: (path) => !path.includes('secrets'),
      });
    const secrets = join(folder, 'kubernetes/secrets');
    await setup({ secrets, cluster: 'default' });
    await makeRoutes({ secrets, cluster: 'default', routes: ROUTES });
    manifests = ['kubernetes', 'kubernetes/monitoring'].flatMap((path) =>
      parseAllDocuments(execFileSync('kubectl', ['kustomize', join(folder, path)], { encoding: 'utf8' })).map(
        (document) => document.toJS() as Manifest,
      ),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const named = (kind: Manifest['kind'], name: string): Manifest => {
    const found = manifests.find(
      (one) => one.kind === kind && one.metadata.name.replace(/-[a-z0-9]{10}$/, '') === name,
    );
    if (found === undefined) throw new Error(`${kind} ${name} was expected`);
    return found;
  };
  const pods = (): Manifest[] =>
    manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');

  it("are what Kubernetes and the Prometheus operator's schemas say", async () => {
    expect(manifests.length).toBeGreaterThan(12);
    for (const manifest of manifests) {
      const what = `${manifest.kind} ${manifest.metadata.name}`;
      const { kind } = manifest;
      expect(MODULES[kind], what).toBeDefined();
      // Kubernetes takes base64 in lines, as kustomize writes it; the library does not.
      const joined = kind === 'Secret' ? { ...manifest, data: inOneLine(manifest.data) } : manifest;
      await expect(validate(kind, joined), what).resolves.toBeUndefined();
      await expect(validate(kind, { ...manifest, metadata: 1 }), what).rejects.toThrow();
      if (manifest.kind !== 'Namespace') expect(manifest.metadata.namespace).toBe('gan-cluster');
    }
  });

  // Validation lets fields pass that no schema knows; the compiler does not.
  it('have no field that Kubernetes does not know', () => {
    expect(complaints(manifests)).toEqual([]);
    const [wrong] = manifests.filter(({ kind }) => kind === 'Deployment');
    const misspelt = JSON.parse(
      JSON.stringify(wrong).replace('readinessProbe', 'readynessProbe'),
    ) as Manifest;
    expect(complaints([misspelt]).join()).toContain('readynessProbe');
  }, 60_000);

  it('give each role its own credentials, as setup makes them', () => {
    const keys = (name: string): string[] => Object.keys(named('Secret', name).data ?? {}).sort();
    expect(keys('nats-secret')).toEqual(['cluster.conf', 'users.conf']);
    for (const role of ['coordinator', 'worker']) {
      expect(keys(`${role}-secret`)).toEqual(['nats.creds']);
      const text = JSON.stringify(named('Deployment', role));
      expect(text).toContain(named('Secret', `${role}-secret`).metadata.name);
      for (const other of ['nats', 'coordinator', 'worker'].filter((name) => name !== role))
        expect(text).not.toContain(`${other}-secret`);
    }
  });

  it('set only what the program knows', () => {
    const known = new Set(Object.values(options).map((option) => option().envVar));
    const run = Object.keys(named('ConfigMap', 'run').data ?? {});
    const env = ['coordinator', 'worker'].flatMap((name) =>
      (named('Deployment', name).spec.template.spec.containers[0].env ?? []).map((one) => one.name),
    );
    for (const name of [...run, ...env]) expect(known, name).toContain(name);
  });

  it('name ports, pods and images that are there', () => {
    const byName = new Map(
      pods().map((one) => [
        one.spec.template.metadata.labels['app.kubernetes.io/name'],
        one.spec.template.spec.containers[0],
      ]),
    );
    for (const { kind, metadata, spec } of manifests) {
      if (kind !== 'Service' && kind !== 'PodMonitor') continue;
      const selected = (kind === 'Service' ? spec.selector : spec.selector?.matchLabels) as
        Readonly<Record<string, string>> | undefined;
      const container = byName.get(selected?.['app.kubernetes.io/name'] ?? '');
      const wanted = [
        ...(spec.ports ?? []).map(({ targetPort }) => targetPort),
        ...(spec.podMetricsEndpoints ?? []).map(({ port }) => port),
      ];
      const offered = container?.ports.map(({ name }) => name);
      for (const port of wanted) expect(offered, `${kind} ${metadata.name}`).toContain(port);
    }
    const prometheus = readFileSync(join(ROOT, 'deploy/prometheus/prometheus.yml'), 'utf8');
    for (const { kind, spec } of manifests) {
      if (kind !== 'PodMonitor') continue;
      const [relabeling] = spec.podMetricsEndpoints?.[0]?.relabelings ?? [];
      const { replacement } = relabeling as { replacement: string };
      expect(prometheus).toContain(`job_name: ${replacement}\n`);
    }
  });

  it('give NATS the configuration that containers have, with a route to each of the three', () => {
    const config = named('ConfigMap', 'nats-config').data ?? {};
    for (const file of ['nats.conf', 'nats-cluster.conf'])
      expect(config[file]).toBe(readFileSync(join(ROOT, 'deploy/nats', file), 'utf8'));
    const routes = Buffer.from(
      named('Secret', 'nats-secret').data?.['cluster.conf'] ?? '',
      'base64',
    ).toString();
    for (const route of ROUTES) expect(routes).toContain(`@${route}"`);
    const text = JSON.stringify(named('StatefulSet', 'nats'));
    expect(text).toContain(named('ConfigMap', 'nats-config').metadata.name);
    expect(text).toContain(named('Secret', 'nats-secret').metadata.name);
    expect(text).toContain('"replicas":3');
  });
});
