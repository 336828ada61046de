export { train, type TrainOptions } from './train.js';
