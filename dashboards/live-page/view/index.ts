/** What is seen: each part draws what the state says, into the page's HTML. */
export { CurvesView } from './curves-view.js';
export { EventsView } from './events-view.js';
export { HeaderView } from './header-view.js';
export { ProgressView } from './progress-view.js';
export { RingView } from './ring-view.js';
export { SamplesView } from './samples-view.js';
export { ThemeToggle } from './theme-toggle.js';
