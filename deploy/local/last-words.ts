import { join } from 'node:path';
import { INTERRUPTED, OperationalError, UsageError, type OutMessage } from '../../proto/index.js';
import type { ProgressView } from '../terminal/index.js';
import type { ClusterEnd } from './local-cluster.js';

/**
 * Tells the user how the run ended and where its results are. Throws UsageError or OperationalError with the reason of a
 * run that failed.
 * @param step the last one that was heard of, 0 when none was done
 * @param out result folder, as the user is told
 * @returns the exit status
 */
export function tellEnd(end: ClusterEnd, step: number, out: string, view: ProgressView): number {
  switch (end.kind) {
    case 'killed':
      view.say('Ended at once.');
      return INTERRUPTED;
    case 'stopped':
      return tellInterrupted('Stopped', step, out, view);
    case 'ended':
      return tellLastWord(end.ended, step, out, view);
  }
}

function tellInterrupted(message: string, step: number, out: string, view: ProgressView): number {
  view.say(`${message}.`);
  if (step > 0) view.say(`Go on with:  npm start -- --resume --out ${out}`);
  return INTERRUPTED;
}

function tellLastWord(ended: OutMessage<'ended'>, step: number, out: string, view: ProgressView): number {
  const { outcome, exitStatus, message } = ended;
  if (outcome === 'failed')
    throw exitStatus === 2 ? new UsageError(message) : new OperationalError('run-failed', message);
  if (outcome === 'interrupted') return tellInterrupted(message, step, out, view);
  view.say(`${message}.`);
  view.say(`  ${join(out, 'samples.png')}       digits from the finished generator`);
  view.say(
    `  ${join(out, 'generator.onnx')}    the generator, for ONNX Runtime; model.json + weights.bin for TensorFlow.js`,
  );
  view.say(`  ${join(out, 'progress.gif')}      the digits as they grew; losses.png: the losses, drawn`);
  view.say(`  ${join(out, 'history.csv')}       losses, a row a step`);
  view.say(`  ${join(out, 'run.json')}          the record of the run`);
  return exitStatus;
}
