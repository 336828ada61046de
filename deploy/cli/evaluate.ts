import { availableParallelism } from 'node:os';
import { Argument, type Command } from 'commander';
import { INTERRUPTED, OperationalError } from '../../proto/index.js';
import { options } from './options.js';
import { stopSignals } from './stop-signals.js';

interface EvaluateFlags {
  readonly data: string;
  readonly count: number;
  readonly seed: number;
  readonly out?: string;
  readonly json?: boolean;
}

/** More would wait for memory. */
const MAX_THREADS = 4;

/** `evaluate`: scores a generator, or images, against MNIST's test set. */
export function addEvaluate(evaluate: Command, exit: (status: number) => void): void {
  evaluate.addArgument(
    new Argument(
      '[path]',
      'generator.onnx, model.json, generator.safetensors, or a folder that holds one; an IDX file of images (plain or .gz); or a folder of PNG images (default: the newest run in runs/)',
    ),
  );
  for (const option of [
    options.data,
    options.scoredCount,
    options.noiseSeed,
    options.reportFile,
    options.jsonReport,
  ])
    evaluate.addOption(option());
  evaluate.action(async (path: string | undefined, { data, count, seed, out, json }: EvaluateFlags) => {
    const { evaluate: run, checkReportPlace, reportText, writeReport } = await import('../evaluate/index.js');
    const { cacheFolder } = await import('../../proto/runtime/cache-folder.js');
    const { WorkBar } = await import('../terminal/index.js');
    const { interrupt, kill } = stopSignals();
    const bar = new WorkBar(process.stderr);
    kill.addEventListener('abort', () => {
      bar.close();
      process.exit(INTERRUPTED);
    });
    if (out !== undefined) checkReportPlace(out);
    try {
      const evaluation = await run({
        path,
        data,
        count,
        seed,
        cacheFolder: cacheFolder(process.env),
        threads: Math.min(MAX_THREADS, availableParallelism()),
        interrupt,
        say: (line) => bar.say(line),
        onProgress: (words, done, total) => bar.update(words, done, total),
      });
      if (out !== undefined) await writeReport(out, evaluation);
      bar.close();
      process.stdout.write(`${json === true ? JSON.stringify(evaluation) : reportText(evaluation)}\n`);
      exit(0);
    } catch (error) {
      bar.close();
      if (!(error instanceof OperationalError) || error.code !== 'aborted') throw error;
      process.stderr.write('Stopped; nothing was written.\n');
      exit(INTERRUPTED);
    }
  });
}
