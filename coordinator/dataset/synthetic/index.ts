export { SyntheticDigits } from './synthetic-digits.js';
