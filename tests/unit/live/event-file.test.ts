import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EventBook } from '../../../coordinator/live/event-book.js';
import { EventFile, type StoredEvent } from '../../../coordinator/live/event-file.js';
import { MAX_LIVE_EVENTS } from '../../../proto/live.js';

const event = (step: number): StoredEvent => ({
  atMs: 1_000 * step,
  step,
  level: 'info',
  text: `at ${step}`,
});

let folder: string;
let warnings: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gan-events-'));
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (): Promise<EventFile> => EventFile.open(folder, (text) => warnings.push(text));

describe('the events of a run', () => {
  it('outlive the process that noted them, in order', async () => {
    const file = await open();
    expect(file.earlier).toEqual([]);
    for (const step of [1, 2, 3]) file.add(event(step));
    await file.settled();
    expect((await open()).earlier).toEqual([event(1), event(2), event(3)]);
    expect(warnings).toEqual([]);
  });

  it('are read without what a power cut has left of the last line', async () => {
    const file = await open();
    file.add(event(1));
    await file.settled();
    appendFileSync(join(folder, 'events.jsonl'), '{"atMs":2000,"st');
    const next = await open();
    expect(next.earlier).toEqual([event(1)]);
    next.add(event(2));
    await next.settled();
    expect((await open()).earlier).toEqual([event(1), event(2)]);
  });

  it('are written later when the disk refuses, which is told once', async () => {
    const file = await open();
    mkdirSync(join(folder, 'events.jsonl'));
    for (const step of [1, 2]) {
      file.add(event(step));
      await file.settled();
    }
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^events.jsonl cannot be written: EISDIR/);
    rmSync(join(folder, 'events.jsonl'), { recursive: true });
    file.add(event(3));
    await file.settled();
    expect(readFileSync(join(folder, 'events.jsonl'), 'utf8').trim().split('\n')).toHaveLength(3);
  });

  it('are kept up to a number, and those of before come first', () => {
    const added: StoredEvent[] = [];
    const book = new EventBook([event(0), event(1)], (one) => added.push(one));
    expect(book.since(0).map(({ step }) => step)).toEqual([0, 1]);
    for (let step = 2; step < MAX_LIVE_EVENTS + 2; step++) book.add(event(step));
    expect(book.since(0)).toHaveLength(MAX_LIVE_EVENTS);
    expect(book.since(0)[0]).toMatchObject({ seq: 2, step: 2 });
    expect(book.since(book.end - 1)).toHaveLength(1);
    expect(added).toHaveLength(MAX_LIVE_EVENTS);
  });
});
