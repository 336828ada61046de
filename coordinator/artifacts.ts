import type { NetworkName } from '../proto/index.js';
import type { Artifacts, NewestArtifacts } from '../proto/artifacts.js';
import type { Coordinator } from './coordinator.js';
import { doingWords } from './doing-words.js';
import type { ArtifactSource } from './live/index.js';
import type { NewestShelf } from './newest-shelf.js';
import type { ResultFolder } from './result-folder.js';

/** What a run gives out: its result, and the newest generator while there is none. */
export function runArtifacts(
  coordinator: Pick<Coordinator, 'status' | 'now' | 'askForNewest'>,
  folder: ResultFolder,
  shelf: NewestShelf,
): ArtifactSource {
  const artifacts = async (): Promise<Artifacts> => {
    const { runId, step, steps } = coordinator.status();
    const { phase } = coordinator.now;
    const result = await folder.result(steps);
    const outcome = phase.kind === 'ended' ? phase.outcome : result.outcome;
    const doing = doingWords(coordinator.now);
    return { runId, step, steps, doing, ...result, outcome, newest: shelf.newest };
  };
  return {
    artifacts,
    async newest(networks: readonly NetworkName[]): Promise<NewestArtifacts> {
      const asked = coordinator.askForNewest(networks);
      const now = await artifacts();
      if (now.outcome === 'done') return { ...now, answer: 'final' };
      switch (asked.kind) {
        case 'kept':
          return { ...now, answer: now.newest === null ? 'coming' : 'newest' };
        case 'coming':
          return { ...now, answer: 'coming' };
        case 'failed':
          return { ...now, answer: 'none', doing: `could not export it: ${asked.text}` };
        case 'none':
          return { ...now, answer: 'none' };
      }
    },
    async find(name) {
      const { files } = await artifacts();
      const file = files.find((record) => record.name === name);
      return file === undefined ? null : { folder: folder.path, file };
    },
    findNewest: (step, name) => shelf.find(step, name),
  };
}
