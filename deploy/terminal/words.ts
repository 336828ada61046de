import type { OutMessage } from '../../proto/index.js';

export type Status = OutMessage<'status'>;

/** 8 s, 3 min 20 s, 2 h 05 min. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

export const grouped = (value: number): string => Math.round(value).toLocaleString('en-US');

/** 1 worker, 2 workers. */
export const workersWords = (workers: number): string => `${workers} worker${workers === 1 ? '' : 's'}`;

/** 2 -> 6 workers, 2 of them spare (4 shards). */
export function scaleWords(before: number, workers: number, shards: number): string {
  const spares = Math.max(0, workers - shards);
  const words = `${before} -> ${workersWords(workers)}`;
  return spares === 0
    ? words
    : `${words}, ${spares} of them spare (${shards} shard${shards === 1 ? '' : 's'})`;
}

const measure = (value: number | null, digits: number): string =>
  value === null ? '-' : value.toFixed(digits);

/** What is known of a run beyond its step, in one line. */
export function measures(status: Status): string {
  const rate = status.imagesPerSecond === null ? '-' : grouped(status.imagesPerSecond);
  const left = status.etaS === null ? '-' : duration(status.etaS);
  return [
    `${rate} images/s`,
    `loss D ${measure(status.discriminatorLoss, 3)} G ${measure(status.generatorLoss, 3)}`,
    `D(x) ${measure(status.discriminatorReal, 2)} D(G(z)) ${measure(status.discriminatorFake, 2)}`,
    `${left} left`,
    ...(status.keptOut > 0 ? [`${status.keptOut} kept out`] : []),
  ].join(' | ');
}

/** "pass 3 of 20", counted from 1. */
export function passOf(status: Status): string {
  const passes = Math.max(1, Math.ceil(status.steps / status.stepsPerPass));
  const pass = Math.min(passes, Math.floor(status.step / status.stepsPerPass) + 1);
  return `pass ${pass}/${passes}`;
}
