import type { EngineName, EngineOptions } from '../../../worker/engine/index.js';
import { ProcessEngine } from '../../../worker/engine/process/index.js';
import type { ProcessEngineHost } from '../../../worker/engine/process/index.js';

/** The engine's process from source: tests do not need a build. */
export const SOURCE_ENTRY: NonNullable<ProcessEngineHost['entry']> = {
  file: new URL('../../../worker/engine/process/engine-process-main.ts', import.meta.url),
  execArgv: ['--import', 'tsx'],
};

export const createProcessEngine = (
  name: EngineName,
  options: EngineOptions,
  host: ProcessEngineHost = {},
): Promise<ProcessEngine> => ProcessEngine.create(name, options, { entry: SOURCE_ENTRY, ...host });
