import type { Artifacts } from '../../proto/artifacts.js';
import { fileLine } from './fetch-result.js';
import { whereabouts } from './listing.js';

/** What a coordinator gives out, in lines for users. Pure. */
export function listWords(artifacts: Artifacts): string[] {
  const { outcome, stateSha256, step, files, newest } = artifacts;
  const state = (sha256: string | null): string => (sha256 === null ? '' : ` (state ${sha256})`);
  return [
    whereabouts(artifacts),
    ...(outcome === 'done'
      ? [`final generator, step ${step}${state(stateSha256)}:`, ...files.map((file) => fileLine(file))]
      : ['final generator: none yet']),
    ...(newest === null
      ? []
      : [
          `newest generator, step ${newest.step}${state(newest.stateSha256)}:`,
          ...newest.files.map((file) => fileLine(file)),
        ]),
    ...(outcome === 'running' && newest === null
      ? ['newest generator: exported when it is asked for (--newest)']
      : []),
  ];
}
