import type { TestProject } from 'vitest/node';
import { findPrometheus, type PrometheusPrograms } from './prometheus-programs.js';

declare module 'vitest' {
  export interface ProvidedContext {
    prometheusPrograms: PrometheusPrograms;
  }
}

/** Finds Prometheus once for all files. */
export default async function setup(project: TestProject): Promise<void> {
  project.provide('prometheusPrograms', await findPrometheus(process.env));
}
