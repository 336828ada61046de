import { fork, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OperationalError } from '../../../proto/index.js';
import { Refusals } from '../../../worker/ring/refusals.js';
import { fetchState, type FetchedState, type FetchStateOptions } from '../../../worker/ring/index.js';
import { HOST, RUN, SECRET } from './ring-fixture.js';
import type { SourceReport, SourceTask } from './state-child.js';

const CHILD = fileURLToPath(new URL('./state-child.ts', import.meta.url));
const ROWS_BYTES = 100_000;

let source: ChildProcess;
let port: number;
let refusals: Refusals;

beforeEach(async () => {
  source = fork(CHILD, { execArgv: ['--import', 'tsx'] });
  ({ port } = await hear('listening'));
  refusals = new Refusals();
});
afterEach(async () => {
  if (source.exitCode !== null || source.signalCode !== null) return;
  const gone = once(source, 'exit');
  source.kill('SIGKILL');
  await gone;
});

/** The next report, which is of this kind. */
async function hear<K extends SourceReport['kind']>(kind: K): Promise<Extract<SourceReport, { kind: K }>> {
  const [report] = (await once(source, 'message')) as [SourceReport];
  expect(report.kind).toBe(kind);
  return report as Extract<SourceReport, { kind: K }>;
}

/** @returns the SHA-256 of state and rows */
async function serve(stateBytes: number): Promise<string> {
  const serving = hear('serving');
  source.send({ stateBytes, rowsBytes: ROWS_BYTES } satisfies SourceTask);
  return (await serving).sha256;
}

function fetch(stateBytes: number, options: Partial<FetchStateOptions> = {}): Promise<FetchedState> {
  return fetchState({
    ...{ runId: RUN, ringEpoch: 1, secret: SECRET, fromRank: 1, toRank: 0, stateBytes },
    ...{ peer: { workerId: 'w0', host: HOST, port }, maxRowsBytes: ROWS_BYTES, refusals },
    ...{ silenceMs: 20_000, deadlineMs: 40_000, signal: new AbortController().signal },
    ...options,
  });
}
const errorOf = (promise: Promise<unknown>): Promise<OperationalError> =>
  promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (error: OperationalError) => error,
  );

describe('a state of another process', { timeout: 60_000 }, () => {
  test('arrives as it was', async () => {
    const sha256 = await serve(24_000_000);
    const sent = hear('sent');
    const { state, rows } = await fetch(24_000_000);
    expect(createHash('sha256').update(state).update(rows).digest('hex')).toBe(sha256);
    expect((await sent).bytes).toBe(24_000_000 + ROWS_BYTES);
  });

  test('that is killed midway never arrives', async () => {
    await serve(60_000_000);
    const error = await errorOf(fetch(60_000_000, { onProgress: () => source.kill('SIGKILL') }));
    expect(error.code).toBe('ring-peer-lost');
    expect(error.message).toMatch(
      /worker w0 \(rank 0\) at 127\.0\.0\.1:\d+: closed the connection \(\d+ of 60100000 bytes have come\)/,
    );
  });

  test('that is stopped midway is noticed by its silence', async () => {
    await serve(60_000_000);
    const error = await errorOf(
      fetch(60_000_000, { silenceMs: 400, onProgress: () => source.kill('SIGSTOP') }),
    );
    expect(error.code).toBe('ring-deadline');
    expect(error.message).toMatch(/was silent for 400 ms \(\d+ of 60100000 bytes have come\)/);
  });

  test('that is stopped before takes no connection', async () => {
    await serve(1_000);
    source.kill('SIGSTOP');
    const error = await errorOf(fetch(1_000, { silenceMs: 400 }));
    expect(error.code).toBe('ring-deadline');
    expect(error.message).toContain('did not answer within 400 ms');
  });
});
