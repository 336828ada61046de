import { describe, expect, it } from 'vitest';
import { OperationalError } from '../../../proto/index.js';
import type { Log } from '../../../proto/runtime/log.js';
import { refusalLog } from '../../../proto/runtime/refusal-log.js';

describe('refused messages', () => {
  let nowMs = 0;
  const lines: { fields: object; text: string }[] = [];
  const log = { warn: (fields: object, text: string) => lines.push({ fields, text }) } as unknown as Log;

  it('are logged one a second at most, with how many were not', () => {
    const refused = refusalLog(log, () => nowMs);
    const refuse = (message: string): void => refused(new OperationalError('protocol', message));
    refuse('first');
    for (let i = 0; i < 1_000; i++) refuse('more');
    nowMs = 999;
    refuse('more');
    expect(lines).toEqual([{ fields: { code: 'protocol', before: 0 }, text: 'message refused: first' }]);
    nowMs = 1_000;
    refuse('last');
    nowMs = 2_000;
    refuse('alone');
    expect(lines.slice(1)).toEqual([
      { fields: { code: 'protocol', before: 1_001 }, text: 'message refused: last' },
      { fields: { code: 'protocol', before: 0 }, text: 'message refused: alone' },
    ]);
  });
});
