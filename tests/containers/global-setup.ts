import type { TestProject } from 'vitest/node';
import { resolve } from 'node:path';
import { hasImage, run, whyNoContainers } from './docker.js';

export interface ContainerImages {
  /** Of this working tree. */
  readonly gan: string;
  readonly grafana: string | null;
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Null where containers cannot be tried. */
    containerImages: ContainerImages | null;
  }
}

const ROOT = resolve(import.meta.dirname, '../..');
const GAN_IMAGE = 'gan-cluster:test';
/** On machines that reach no registry: something that only answers where Grafana would. */
const GRAFANA_STUB = 'grafana-stub:standin';

/** Builds the image of the working tree once for all files. */
export default async function setup(project: TestProject): Promise<void> {
  const why = await whyNoContainers();
  if (why !== null) {
    console.log(`The container tests are skipped: ${why}.`);
    project.provide('containerImages', null);
    return;
  }
  const build = await run('docker', ['compose', 'build', 'setup'], {
    cwd: ROOT,
    env: { GAN_IMAGE },
    timeoutMs: 900_000,
  });
  if (build.status !== 0) throw new Error(`the image cannot be built:\n${build.stderr}${build.stdout}`);
  const stub = await hasImage(GRAFANA_STUB);
  if (stub) console.log(`Grafana is not tried: ${GRAFANA_STUB} stands for it.`);
  project.provide('containerImages', { gan: GAN_IMAGE, grafana: stub ? GRAFANA_STUB : null });
}
