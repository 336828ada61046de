import { appendFileSync, readFileSync } from 'node:fs';
import { z } from 'zod';

/** Places in the code at which a test can make a process fail. */
export const FAULT_POINTS = [
  // of a worker
  'before-compute',
  'in-compute',
  'in-reduce-scatter',
  'in-all-gather',
  'in-adam',
  'in-survey',
  'in-state-transfer',
  'in-checkpoint',
  'in-export',
  // of a coordinator
  'surveyed',
  'ring-written',
  'checkpoint-stored',
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

const faultSchema = z.strictObject({
  /** Tells faults apart in the record of those that fired. */
  id: z.string(),
  /** Name of the process: `worker-1`, `coordinator`. */
  who: z.string(),
  point: z.enum(FAULT_POINTS),
  /** The first update at which it fires. */
  update: z.int().min(0),
  action: z.enum([
    'kill', // SIGKILL
    'stop', // SIGSTOP: somebody else has to let it go on
    'hang', // the thread does nothing any more; the process's other threads do
    'throw', // as if the engine had failed
    'cut', // its links of the ring are cut
    'flip-parameters', // one bit of its replica state changes
    'flip-adam',
    'flip-statistics',
  ]),
  /** Fires as often as the process comes by; else once in all, also when the process is started again. */
  always: z.boolean().optional(),
});
export type Fault = z.infer<typeof faultSchema>;

/** What an action needs of the place where it happens. */
export interface FaultScene {
  readonly cut?: () => void;
  readonly flip?: (part: 'parameters' | 'adam' | 'statistics') => void;
}

/** To be called at a fault point with the update in progress; undefined in every process that is not under test. */
export type FaultHook = ((point: FaultPoint, update: number, scene?: FaultScene) => void) | undefined;

/**
 * The faults that a test has planned for this process, from `GAN_FAULTS` (JSON) and `GAN_FAULTS_FIRED`, the file that
 * records each that fired, before it does. For tests of recovery only: without these variables there is no hook at all.
 */
export function plannedFaults(environment: NodeJS.ProcessEnv, who: string): FaultHook {
  const { GAN_FAULTS: text, GAN_FAULTS_FIRED: record } = environment;
  if (text === undefined || record === undefined) return undefined;
  const planned = z
    .array(faultSchema)
    .parse(JSON.parse(text))
    .filter((fault) => fault.who === who);
  if (planned.length === 0) return undefined;
  return (point, update, scene) => {
    for (const fault of planned) {
      if (fault.point !== point || update < fault.update) continue;
      if (fault.always !== true && hasFired(record, fault.id)) continue;
      const line = { id: fault.id, who, pid: process.pid, update, atMs: Date.now() };
      appendFileSync(record, `${JSON.stringify(line)}\n`);
      carryOut(fault, scene);
    }
  };
}

function hasFired(record: string, id: string): boolean {
  let text: string;
  try {
    text = readFileSync(record, 'utf8');
  } catch {
    return false; // nothing has fired yet
  }
  return text.split('\n').some((line) => line.includes(`"id":${JSON.stringify(id)},`));
}

function carryOut({ action, id }: Fault, scene: FaultScene | undefined): void {
  switch (action) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      return hang(1_000); // until the signal is there
    case 'stop':
      process.kill(process.pid, 'SIGSTOP');
      return;
    case 'hang':
      return hang(Infinity);
    case 'throw':
      throw new Error(`planned fault ${id}`);
    case 'cut':
      return scene?.cut?.();
    case 'flip-parameters':
      return scene?.flip?.('parameters');
    case 'flip-adam':
      return scene?.flip?.('adam');
    case 'flip-statistics':
      return scene?.flip?.('statistics');
  }
}

function hang(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
