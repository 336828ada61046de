import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { GanCluster, ganCluster, readRunFile, temporaryFolder, untimedHistory } from './gan-cluster.js';

const STEPS = 400;
const SHAPE = ['--data', 'synthetic', '--shard-batch', '8', '--steps', String(STEPS), '--workers', '2'];

function bitsOf(out: string): unknown {
  return [
    readRunFile(out).stateSha256,
    readFileSync(join(out, 'generator.onnx')).toString('base64'),
    untimedHistory(out),
  ];
}

/** SIGKILL for the one process of the run in `out` whose command line holds `words`. */
function killProcess(out: string, words: string): void {
  const lines = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).trim().split('\n');
  const found = lines.filter(
    (line) => line.includes(out) && line.includes(words) && !/ ps |tether/.test(line),
  );
  expect(found).toHaveLength(1);
  process.kill(Number(found[0]?.trim().split(/\s+/)[0]), 'SIGKILL');
}

it(
  'a local cluster outlives its worker, its coordinator and its nats-server, with the same bits',
  {
    timeout: 180_000,
  },
  async () => {
    const folder = temporaryFolder();
    const whole = join(folder, 'whole');
    const undisturbed = await ganCluster(['train', ...SHAPE, '--out', whole]);
    expect(undisturbed.status).toBe(0);

    const out = join(folder, 'disturbed');
    const run = new GanCluster(['train', ...SHAPE, '--out', out]);
    await run.printed('ring epoch');
    killProcess(out, '--worker-id worker-1');
    await run.printed('worker-1 joins');
    killProcess(out, 'main.js coordinator');
    await run.printed('a coordinator took the lead');
    killProcess(out, 'nats-server.conf');
    const end = await run.finished;
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(join(out, '.cluster/logs/coordinator.log'), 'utf8')).toContain('NATS answers again');
    expect(bitsOf(out)).toEqual(bitsOf(whole));
  },
);
