import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Evaluation } from '../../../deploy/evaluate/evaluation.js';
import { checkReportPlace, writeReport } from '../../../deploy/evaluate/index.js';
import { OperationalError, UsageError } from '../../../proto/index.js';

const evaluation = { samples: { count: 3 } } as unknown as Evaluation;
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gan-cluster-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the file for the scores', () => {
  it('is written with the folders above it, in place of an older one', async () => {
    const path = join(folder, 'a', 'b', 'scores.json');
    checkReportPlace(path);
    expect(readdirSync(folder)).toEqual([]);
    await writeReport(path, evaluation);
    checkReportPlace(path);
    await writeReport(path, { ...evaluation, samples: { count: 4 } } as unknown as Evaluation);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ samples: { count: 4 } });
    expect(readdirSync(join(folder, 'a', 'b'))).toEqual(['scores.json']);
  });

  it('is refused before the work where it cannot be', () => {
    mkdirSync(join(folder, 'taken'));
    writeFileSync(join(folder, 'file'), '');
    expect(() => checkReportPlace(join(folder, 'taken'))).toThrow(
      `--out: ${folder}/taken is no file; a name for the report was expected`,
    );
    expect(() => checkReportPlace(join(folder, 'file', 'scores.json'))).toThrow(
      `--out: ${folder}/file/scores.json cannot be written: ${folder}/file is a file`,
    );
    expect(() => checkReportPlace(join(folder, 'taken'))).toThrow(UsageError);
  });

  it.skipIf(process.getuid?.() === 0)('is refused where this user may not write', () => {
    mkdirSync(join(folder, 'closed'), { mode: 0o500 });
    expect(() => checkReportPlace(join(folder, 'closed', 'x.json'))).toThrow(/this user may not write to/);
  });

  it('that fails all the same leaves nothing', async () => {
    writeFileSync(join(folder, 'file'), '');
    const path = join(folder, 'file', 'scores.json');
    await expect(writeReport(path, evaluation)).rejects.toBeInstanceOf(OperationalError);
    expect(existsSync(path)).toBe(false);
  });
});
