import { SEED, SHARDS, SHARD_BATCH, type Shape } from './shapes.js';

export const CLUSTER = 'chaos';
const RUN_ID = 'run';

export const workerArguments = (name: string): string[] => [
  'worker',
  '--worker-id',
  name,
  '--engine',
  'onnx-cpu',
];

export interface CoordinatorCommand {
  readonly shape: Shape;
  readonly out: string;
  readonly workers: number;
  readonly checkpointEveryS: number | undefined;
  readonly waitWorkersS: number | undefined;
  readonly resume: boolean;
}

export function coordinatorArguments(command: CoordinatorCommand): string[] {
  const flags = {
    '--run-id': RUN_ID,
    '--out': command.out,
    '--data': 'synthetic',
    '--engine': 'onnx-cpu',
    '--shards': SHARDS,
    '--shard-batch': SHARD_BATCH,
    '--seed': SEED,
    '--steps': command.shape.steps,
    '--workers': Math.max(1, command.workers),
    '--checkpoint-every-s': command.checkpointEveryS ?? 30,
    '--wait-workers-s': command.waitWorkersS ?? 60,
  };
  const words = Object.entries(flags).flatMap(([flag, value]) => [flag, String(value)]);
  return ['coordinator', ...words, ...(command.resume ? ['--resume'] : [])];
}
