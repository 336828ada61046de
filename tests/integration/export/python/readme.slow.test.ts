import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MODELS, trainedModel } from '../../../unit/export/trained-model.js';
import { exportedFiles } from '../exported-files.js';
import { readmeSnippets } from '../readme-snippets.js';
import { pythonForTests } from './find-python.js';
import { inFolder, runPython } from './python-readers.js';

const python = await pythonForTests();

/** What the user has after each of README's pieces, by what they loaded. */
const LOOKS = {
  onnxruntime: 'print(images.shape)',
  safetensors: 'print(*tensors, tensors["0.weight"].shape)',
} as const;

describe.skipIf(python === null)("README's lines of Python", () => {
  it('do what they say', async () => {
    const files = await exportedFiles(trainedModel(MODELS.tutorial));
    const printed = await inFolder(async (folder) => {
      for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
      const texts: string[] = [];
      for (const snippet of readmeSnippets('python')) {
        const look = Object.entries(LOOKS).find(([module]) => snippet.includes(module))?.[1];
        if (look === undefined) throw new Error(`nothing is expected of ${snippet}`);
        texts.push(await runPython(python!, ['-c', `${snippet}\n${look}`], folder));
      }
      return texts;
    });
    expect(printed).toHaveLength(2);
    expect(printed[0]).toBe('(25, 784)\n');
    expect(printed[1]).toContain('3.running_mean');
    expect(printed[1]).toMatch(/\(128, 100\)\n$/);
  });
});
