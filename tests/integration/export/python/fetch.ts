import { messageOf } from '../../../../proto/index.js';
import { fetchDebianPython } from './debian-python.js';
import { debianFolder, findPython, MODULES } from './find-python.js';

/** Makes sure that there is a Python for the tests: Debian's is fetched where no other has the readers. */
try {
  let python = await findPython(process.env);
  if (python === null) {
    console.log(
      `fetching Python with ${MODULES.join(', ')}: Debian's packages, 65 MB, unpacked into the cache ...`,
    );
    await fetchDebianPython(debianFolder(process.env), process.env);
    python = await findPython(process.env);
  }
  if (python === null) throw new Error('what Debian has lacks a reader');
  console.log(`Python's readers: ${python.program}`);
} catch (error) {
  console.error(`no Python with the readers: ${messageOf(error)}`);
  process.exitCode = 1;
}
