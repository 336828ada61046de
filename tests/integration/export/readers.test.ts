import { describeReaders } from './readers.contract.js';
import { READERS } from './readers.js';

describeReaders(READERS);
