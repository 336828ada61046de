export type { ArtifactSource } from './artifact-routes.js';
export { EVENTS_FILE, EventFile } from './event-file.js';
export { LiveFeed, type LiveFeedParts } from './live-feed.js';
export { PreparingPage } from './preparing-page.js';
export { LiveServer, type LiveServerOptions } from './live-server.js';
