import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NetworkName } from '../../../../proto/index.js';
import { MODELS, NETWORKS, runSpec, STATE_SHA256, trainedModel } from '../../../unit/export/trained-model.js';
import { exportedFiles, fileOf } from '../exported-files.js';
import { randomModel } from '../random-model.js';
import { pythonForTests } from './find-python.js';
import { checkOnnx } from './python-readers.js';

const python = await pythonForTests();
const ENDS: Record<NetworkName, readonly [input: string, output: string]> = {
  generator: ['noise', 'images'],
  discriminator: ['images', 'probability'],
};

describe.skipIf(python === null)("the standard's own checker", () => {
  it.each(NETWORKS)('passes the ONNX file of the $model $network', async ({ model: name, network }) => {
    const trained = trainedModel(MODELS[name]);
    const { model } = trained;
    const files = await exportedFiles(trained);
    const [found] = await checkOnnx(python!, [fileOf(files, `${network}.onnx`)]);
    const [input, output] = ENDS[network];
    expect(found).toMatchObject({ ir: 8, opsets: { '': 16 } });
    expect(found?.inputs).toEqual({ [input]: ['n', model[network].inputSize] });
    const outputs = network === 'generator' ? model.discriminator.inputSize : 1;
    expect(found?.outputs).toEqual({ [output]: ['n', outputs] });
    const { run_spec: written, ...metadata } = found?.metadata ?? {};
    expect(JSON.parse(written ?? '')).toEqual(runSpec(model));
    expect(metadata).toMatchObject({ producer: 'gan-cluster', step: '468', state_sha256: STATE_SHA256 });
    if (name === 'tutorial') expect(found?.operators).not.toContain('BatchNormalization');
  });

  it('passes those of any model', async () => {
    const exports = await Promise.all(
      fc.sample(randomModel, { seed: 2, numRuns: 20 }).map((model) => exportedFiles(trainedModel(model))),
    );
    const files = exports.flatMap((all) => [
      fileOf(all, 'generator.onnx'),
      fileOf(all, 'discriminator.onnx'),
    ]);
    expect(await checkOnnx(python!, files)).toHaveLength(40);
  });

  it('refuses a file that lost its end', async () => {
    const bytes = fileOf(await exportedFiles(trainedModel(MODELS.odd)), 'generator.onnx');
    await expect(checkOnnx(python!, [bytes.subarray(0, bytes.length - 100)])).rejects.toThrow('onnx');
  });
});
