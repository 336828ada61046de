import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const PROMETHEUS_FOLDER = resolve(import.meta.dirname, '../../deploy/prometheus');
const TARGETS = 'workers.json';

/** What differs between compose's network and this machine; everything else of prometheus.yml is used as it is. */
const COORDINATOR = `- targets: ['coordinator:9464']`;
const WORKERS = `    dns_sd_configs:
      - names: [worker]
        type: A
        port: 9464
        refresh_interval: 5s
`;

function replaced(text: string, found: string, replacement: string): string {
  if (text.split(found).length !== 2) throw new Error(`prometheus.yml was expected to hold once: ${found}`);
  return text.replace(found, () => replacement);
}

/** The project's prometheus.yml and rules in a folder, for a coordinator and workers on this machine. */
export class LocalConfig {
  /** @param coordinator its host:port; null for no coordinator at all */
  constructor(
    readonly folder: string,
    coordinator: string | null,
  ) {
    const original = readFileSync(join(PROMETHEUS_FOLDER, 'prometheus.yml'), 'utf8');
    const targets = coordinator === null ? '- targets: []' : `- targets: ['${coordinator}']`;
    const files = `    file_sd_configs:\n      - files: [${TARGETS}]\n        refresh_interval: 1s\n`;
    writeFileSync(
      join(folder, 'prometheus.yml'),
      replaced(replaced(original, COORDINATOR, targets), WORKERS, files),
    );
    for (const name of ['rules.yml', 'alerts.yml'])
      copyFileSync(join(PROMETHEUS_FOLDER, name), join(folder, name));
    this.setWorkers([]);
  }

  /** The addresses that compose's DNS would tell. */
  setWorkers(addresses: readonly string[]): void {
    const path = join(this.folder, TARGETS);
    writeFileSync(`${path}.new`, JSON.stringify([{ targets: addresses }]));
    renameSync(`${path}.new`, path); // Prometheus sees the old list or the new one
  }
}
