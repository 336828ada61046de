import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { encodeHeader, type FrameHeader } from '../../../worker/ring/frame.js';
import { SoloRing, type RingError } from '../../../worker/ring/ring.js';
import { at, memoryRing, randomVectors, SILENCE_MS, sumOf } from './memory-ring.js';
import { seededRandom, shuffledTasks } from './random.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const failureOf = (promise: Promise<void>): Promise<RingError> =>
  promise.then(
    () => Promise.reject(new Error('the reduction succeeded')),
    (error: RingError) => error,
  );

describe('all-reduce in memory', () => {
  const segmentElements = 16;
  for (let world = 2; world <= 8; world++) {
    const lengths = [0, 1, world - 1, world, world + 1, 7 * world + 3, 5 * world * segmentElements + 1];
    test(`world ${world}: lengths ${lengths.join(', ')}`, async () => {
      for (const length of lengths) {
        const { rings } = memoryRing(world, {}, { segmentBytes: 4 * segmentElements });
        const vectors = randomVectors(world, length, length);
        const sum = sumOf(vectors);
        await Promise.all(
          rings.map((ring, rank) => ring.allReduce(at(vectors, rank), { update: 3, attempt: 1 })),
        );
        for (const vector of vectors) expect(vector).toEqual(sum);
        const sent = rings.reduce((bytes, ring) => bytes + ring.bytesSent, 0);
        expect(sent).toBe(2 * (world - 1) * length * 4);
        for (const ring of rings) {
          expect(Math.abs(ring.bytesSent - (2 * (world - 1) * length * 4) / world)).toBeLessThanOrEqual(8);
          expect(Math.abs(ring.bytesReceived - (2 * (world - 1) * length * 4) / world)).toBeLessThanOrEqual(
            8,
          );
        }
      }
    });
  }

  test('a world of one', async () => {
    const ring = new SoloRing();
    const vector = Int32Array.of(1, 2, 3);
    await ring.allReduce(vector, { update: 0, attempt: 0 });
    expect([...vector]).toEqual([1, 2, 3]);
    expect([ring.bytesSent, ring.bytesReceived]).toEqual([0, 0]);
    ring.close();
    expect((await failureOf(ring.allReduce(vector, { update: 1, attempt: 0 }))).code).toBe('aborted');
  });

  test('any world, length, segment, buffer, alignment and order of events', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          world: fc.integer({ min: 2, max: 8 }),
          length: fc.integer({ min: 0, max: 400 }),
          segmentElements: fc.integer({ min: 1, max: 64 }),
          capacityBytes: fc.integer({ min: 1, max: 2_000 }),
          maxInFlightBytes: fc.integer({ min: 1, max: 2_000 }),
          seed: fc.nat(),
        }),
        async ({ world, length, segmentElements, capacityBytes, maxInFlightBytes, seed }) => {
          const random = seededRandom(seed);
          const { rings, links } = memoryRing(
            world,
            { capacityBytes, later: shuffledTasks(random), random },
            { segmentBytes: 4 * segmentElements, maxInFlightBytes },
          );
          const rounds = Array.from({ length: 3 }, (_, round) => randomVectors(world, length, seed + round));
          // The caller's memory is used again as soon as a reduction is done, whatever the others are doing.
          await Promise.all(
            rings.map(async (ring, rank) => {
              const memory = new Int32Array(length);
              for (const [update, vectors] of rounds.entries()) {
                memory.set(at(vectors, rank));
                await ring.allReduce(memory, { update, attempt: 0 });
                expect(memory).toEqual(sumOf(vectors));
                memory.fill(-1);
              }
            }),
          );
          for (const link of links)
            expect(link.peakUntakenBytes).toBeLessThan(maxInFlightBytes + 4 * segmentElements);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('a neighbour that is ahead', () => {
  test('its segments of the next reduction wait until it is their turn', async () => {
    const { rings, links } = memoryRing(2, {}, { segmentBytes: 64 });
    const [first, second] = [at(rings, 0), at(rings, 1)];
    const done = [0, 1].map((rank) =>
      at(rings, rank).allReduce(new Int32Array(64).fill(1), { update: 0, attempt: 0 }),
    );
    await Promise.all(done);
    const before = at(links, 0).sentSegments;
    const ahead = first.allReduce(new Int32Array(64).fill(10), { update: 1, attempt: 0 });
    await turn();
    expect(at(links, 0).sentSegments).toBeGreaterThan(before);
    expect(second.failure).toBeUndefined();
    const late = new Int32Array(64).fill(5);
    await Promise.all([ahead, second.allReduce(late, { update: 1, attempt: 0 })]);
    expect(new Set(late)).toEqual(new Set([15]));
  });

  test('a redo with another attempt follows in order', async () => {
    const { rings } = memoryRing(3);
    for (let attempt = 0; attempt < 4; attempt++) {
      const vectors = randomVectors(3, 50, attempt);
      const sum = sumOf(vectors);
      await Promise.all(rings.map((ring, rank) => ring.allReduce(at(vectors, rank), { update: 9, attempt })));
      expect(at(vectors, 1)).toEqual(sum);
    }
  });
});

describe('back-pressure', () => {
  test('a successor that takes nothing bounds what is underway', async () => {
    const segmentBytes = 1_024;
    const { rings, links } = memoryRing(
      2,
      { capacityBytes: 4_096 },
      { segmentBytes, maxInFlightBytes: 2_048 },
    );
    const vector = new Int32Array(1 << 20); // 2 MB a chunk
    const stalled = failureOf(at(rings, 0).allReduce(vector, { update: 0, attempt: 0 }));
    let before = -1;
    while (at(links, 0).sentSegments !== before) {
      before = at(links, 0).sentSegments;
      await turn();
    }
    expect(at(links, 0).sentSegments * segmentBytes).toBeLessThan(16_384);
    expect(at(links, 0).peakUntakenBytes).toBeLessThanOrEqual(2_048);
    expect(at(rings, 0).progress().inFlightBytes).toBeGreaterThan(0);
    at(rings, 0).close();
    expect((await stalled).code).toBe('aborted');
  });
});

describe('segments that have come in', () => {
  test('are told with phase and update', async () => {
    const told: string[] = [];
    const vectors = randomVectors(2, 32, 1);
    const onSegment = (phase: string, update: number): unknown => told.push(`${phase} ${update}`);
    const { rings } = memoryRing(2, {}, { segmentBytes: 32, onSegment });
    await Promise.all(
      rings.map((ring, rank) => ring.allReduce(at(vectors, rank), { update: 7, attempt: 0 })),
    );
    // 16 elements a chunk, 8 a segment: two segments in each phase at each rank.
    const count = (what: string): number => told.filter((word) => word === what).length;
    expect([count('reduce-scatter 7'), count('all-gather 7'), told.length]).toEqual([4, 4, 8]);
  });

  test('whoever is told may close the ring', async () => {
    const { rings } = memoryRing(
      2,
      {},
      { onSegment: (phase) => phase === 'reduce-scatter' && at(rings, 0).close() },
    );
    const codes = await Promise.all(
      rings.map((ring) =>
        failureOf(ring.allReduce(new Int32Array(1_000), { update: 0, attempt: 0 })).then(({ code }) => code),
      ),
    );
    expect(codes).toEqual(['aborted', 'ring-peer-lost']);
  });
});

describe('failures', () => {
  const key = { update: 5, attempt: 2 };

  test('a link that breaks in a reduction fails it, with who and where', async () => {
    const failures: RingError[] = [];
    const { rings, links } = memoryRing(3, {}, { onFailure: (error) => failures.push(error) });
    const reduction = failureOf(at(rings, 1).allReduce(new Int32Array(90), key));
    await turn();
    at(links, 0).break();
    const error = await reduction;
    expect(error.code).toBe('ring-peer-lost');
    expect(error.neighbour).toBe('predecessor');
    expect(error.message).toContain('rank 0: the connection broke');
    expect(error.progress?.reduction).toEqual({ ...key, phase: 'reduce-scatter' });
    expect(error.progress?.lastOut).toMatchObject({ step: 0, offset: 30 });
    expect(error.progress?.lastIn).toBeUndefined();
    expect(failures).toContain(error);
    // The ring stays failed, with the same error.
    expect(await failureOf(at(rings, 1).allReduce(new Int32Array(90), key))).toBe(error);
  });

  test('a neighbour lost between reductions is told at once', () => {
    const failures: RingError[] = [];
    const { rings, links } = memoryRing(2, {}, { onFailure: (error) => failures.push(error) });
    at(links, 0).break();
    expect(failures.map(({ neighbour }) => neighbour).sort()).toEqual(['predecessor', 'successor']);
    expect(failures[0]?.message).toContain('between reductions');
    expect(at(rings, 0).failure?.code).toBe('ring-peer-lost');
  });

  test('one failure goes round: every rank of the world fails', async () => {
    const { rings, links } = memoryRing(5);
    const reductions = rings.map((ring) => failureOf(ring.allReduce(new Int32Array(1 << 18), key)));
    at(links, 3).break();
    const codes = (await Promise.all(reductions)).map(({ code }) => code);
    expect(codes).toEqual(Array(5).fill('ring-peer-lost'));
  });

  test('silence of the predecessor', async () => {
    const { rings, clock } = memoryRing(2);
    const reduction = failureOf(at(rings, 0).allReduce(new Int32Array(8), key));
    await turn();
    clock.advance(SILENCE_MS * 0.9);
    expect(at(rings, 0).failure).toBeUndefined();
    clock.advance(SILENCE_MS * 0.3);
    const error = await reduction;
    expect([error.code, error.neighbour]).toEqual(['ring-deadline', 'predecessor']);
    expect(error.message).toContain('rank 1 was silent for 800 ms');
  });

  test('a reduction may have a deadline of its own', async () => {
    const { rings, clock } = memoryRing(2);
    const reduction = failureOf(at(rings, 0).allReduce(new Int32Array(8), { ...key, silenceMs: 80 }));
    await turn();
    clock.advance(100);
    expect((await reduction).code).toBe('ring-deadline');
  });

  test('a successor that takes nothing is blamed before the predecessor that waits for it', async () => {
    const { rings, clock } = memoryRing(2, { capacityBytes: 1 }, { segmentBytes: 4 });
    const reduction = failureOf(at(rings, 0).allReduce(new Int32Array(100), key));
    await turn();
    clock.advance(SILENCE_MS * 1.2);
    const error = await reduction;
    expect([error.code, error.neighbour]).toEqual(['ring-deadline', 'successor']);
  });

  test('while it is suspended nobody is silent, and silence counts from zero after it', async () => {
    let suspended = false;
    const { rings, clock } = memoryRing(2, {}, { suspended: () => suspended });
    const reduction = failureOf(at(rings, 0).allReduce(new Int32Array(8), key));
    await turn();
    clock.advance(SILENCE_MS * 0.9);
    suspended = true;
    clock.advance(SILENCE_MS * 10);
    suspended = false;
    clock.advance(SILENCE_MS * 0.9);
    expect(at(rings, 0).failure).toBeUndefined();
    clock.advance(SILENCE_MS * 0.3);
    expect((await reduction).code).toBe('ring-deadline');
  });

  test('between reductions nobody is silent', () => {
    const { rings, clock } = memoryRing(2);
    clock.advance(SILENCE_MS * 100);
    expect(at(rings, 0).failure).toBeUndefined();
  });

  test('an abort fails the reduction and the ring, and the neighbours', async () => {
    const failures: RingError[] = [];
    const { rings } = memoryRing(2, {}, { onFailure: (error) => failures.push(error) });
    const abort = new AbortController();
    const reduction = failureOf(at(rings, 0).allReduce(new Int32Array(8), { ...key, signal: abort.signal }));
    abort.abort();
    expect((await reduction).code).toBe('aborted');
    await vi.waitFor(() => expect(at(rings, 1).failure?.code).toBe('ring-peer-lost'), { interval: 1 });
    // The caller knows that it aborted; only the neighbour is told.
    expect(failures.every((error) => error === at(rings, 1).failure)).toBe(true);
  });

  test('an abort beforehand fails the reduction before anything is sent', async () => {
    const { rings, links } = memoryRing(2);
    const error = await failureOf(
      at(rings, 0).allReduce(new Int32Array(8), { ...key, signal: AbortSignal.abort() }),
    );
    expect(error.code).toBe('aborted');
    expect(at(links, 0).sentSegments).toBe(0);
  });

  test('an abort after the reduction changes nothing', async () => {
    const { rings } = memoryRing(2);
    const abort = new AbortController();
    await Promise.all(
      rings.map((ring) => ring.allReduce(new Int32Array(8), { ...key, signal: abort.signal })),
    );
    abort.abort();
    expect(at(rings, 0).failure).toBeUndefined();
  });

  test('whoever is done may leave: the slower one still gets its sum', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 2, max: 4 }), async (seed, world) => {
        const { rings } = memoryRing(
          world,
          { later: shuffledTasks(seededRandom(seed)), capacityBytes: 64 },
          { segmentBytes: 16, maxInFlightBytes: 64 },
        );
        const vectors = randomVectors(world, 50, seed);
        const sum = sumOf(vectors);
        await Promise.all(
          rings.map(async (ring, rank) => {
            await ring.allReduce(at(vectors, rank), key);
            ring.close();
          }),
        );
        for (const vector of vectors) expect(vector).toEqual(sum);
      }),
      { numRuns: 100 },
    );
  });
});

describe('misbehaviour', () => {
  const length = 32;
  const expected: FrameHeader = {
    phase: 'reduce-scatter',
    update: 0,
    attempt: 0,
    step: 0,
    offset: 0,
    count: length / 2,
    length,
  };
  const cases: [string, FrameHeader][] = [
    ['another update', { ...expected, update: 1 }],
    ['another attempt', { ...expected, attempt: 1 }],
    ['another step', { ...expected, step: 1 }],
    ['another phase', { ...expected, phase: 'all-gather' }],
    ['another place', { ...expected, offset: 16 }],
    ['another vector', { ...expected, length: 64 }],
  ];
  for (const [what, header] of cases) {
    test(`${what} fails the ring before anything is added`, async () => {
      const seen: string[] = [];
      const { rings, links } = memoryRing(
        2,
        {},
        { onMisbehaviour: (reason, name) => seen.push(`${reason} ${name}`) },
      );
      at(links, 0).inject(encodeHeader(header), new Uint8Array(64).fill(1));
      const vector = new Int32Array(length);
      const error = await failureOf(at(rings, 1).allReduce(vector, { update: 0, attempt: 0 }));
      expect([error.code, error.neighbour]).toEqual(['protocol', 'predecessor']);
      expect(seen).toEqual(['malformed rank 0']);
      expect(vector.every((value) => value === 0)).toBe(true);
    });
  }

  test('garbage fails the ring', async () => {
    const { rings, links } = memoryRing(2);
    at(links, 0).inject(new Uint8Array(24).fill(7), new Uint8Array(64));
    const error = await failureOf(at(rings, 1).allReduce(new Int32Array(length), { update: 0, attempt: 0 }));
    expect(error.code).toBe('protocol');
  });
});
