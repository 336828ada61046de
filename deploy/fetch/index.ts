export { fetchResult, type Fetched, type FetchOptions } from './fetch-result.js';
export { awaitNewest, readListing } from './listing.js';
export { listWords } from './list-words.js';
export { becomeOwnerOf } from './become-owner.js';
