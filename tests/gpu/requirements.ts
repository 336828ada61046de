import { gpuEngines, lineOf } from './gpu-engines.js';

/** Before the tests: says of each GPU engine whether it is tested here, and fails where none can be. */
const probes = await gpuEngines();
for (const probe of probes) process.stdout.write(`${lineOf(probe)}\n`);
if (!probes.some(({ usable }) => usable)) {
  process.stderr.write(
    'error: a machine was expected on which a GPU engine can run, found none: see above what each one misses\n',
  );
  process.exitCode = 1;
}
