export { fetchResult } from './fetch-result.js';
export { becomeOwnerOf } from './become-owner.js';
