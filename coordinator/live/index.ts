export { EVENTS_FILE, EventFile } from './event-file.js';
export { LiveFeed, type LiveFeedParts } from './live-feed.js';
export { LiveServer, type LiveServerOptions } from './live-server.js';
