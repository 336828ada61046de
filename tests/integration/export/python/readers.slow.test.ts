import { describe } from 'vitest';
import { describeReaders } from '../readers.contract.js';
import { pythonForTests } from './find-python.js';
import { pythonReaders } from './python-readers.js';

const python = await pythonForTests();

describe.skipIf(python === null)('in Python', () => {
  describeReaders(python === null ? [] : pythonReaders(python));
});
