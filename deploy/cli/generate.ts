import { Argument, type Command } from 'commander';
import { INTERRUPTED, OperationalError } from '../../proto/index.js';
import { options } from './options.js';
import { stopSignals } from './stop-signals.js';

interface GenerateFlags {
  readonly out: string;
  readonly count?: number;
  readonly seed: number;
  readonly toSeed?: number;
  readonly frames?: number;
}

/** `generate`: images of a finished generator. */
export function addGenerate(generate: Command, exit: (status: number) => void): void {
  generate.addArgument(
    new Argument(
      '[path]',
      'generator.onnx, model.json, generator.safetensors, or a folder that holds one (default: the newest run in runs/)',
    ),
  );
  for (const option of [
    options.generatedTo,
    options.generatedCount,
    options.noiseSeed,
    options.toSeed,
    options.frames,
  ])
    generate.addOption(option());
  generate.action(async (path: string | undefined, flags: GenerateFlags) => {
    const { generate: run } = await import('../generate/index.js');
    const { interrupt, kill } = stopSignals();
    kill.addEventListener('abort', () => process.exit(INTERRUPTED));
    const say = (line: string): void => void process.stdout.write(`${line}\n`);
    const { out, count, seed, toSeed, frames } = flags;
    try {
      await run({ path, out, count, seed, toSeed, frames, say, interrupt });
      exit(0);
    } catch (error) {
      if (!(error instanceof OperationalError) || error.code !== 'aborted') throw error;
      say('Stopped; nothing was written.');
      exit(INTERRUPTED);
    }
  });
}
