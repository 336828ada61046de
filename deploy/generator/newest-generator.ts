import { UsageError, messageOf } from '../../proto/index.js';

/** Where to look for a generator that was not named: the newest run in `runs/`. Throws UsageError when there is none. */
export async function newestGenerator(): Promise<string> {
  // It knows how to train as well, which takes a while to load.
  const { newestRun } = await import('../local/index.js');
  let newest: string | undefined;
  try {
    newest = newestRun();
  } catch (error) {
    throw new UsageError(
      `runs/ cannot be searched for the newest run (${messageOf(error)}): name a generator`,
      {
        cause: error,
      },
    );
  }
  if (newest === undefined)
    throw new UsageError(
      'a generator was expected, and there is no run in runs/: name generator.onnx, model.json, generator.safetensors, or a folder that holds one',
    );
  return newest;
}
