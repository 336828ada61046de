import { Connection } from './connection.js';
import type { LiveMessage } from './contract.js';
import { apply, NOTHING_KNOWN, type LinkState, type PageState } from './state/index.js';
import {
  CurvesView,
  EventsView,
  HeaderView,
  ProgressView,
  RingView,
  SamplesView,
  ThemeToggle,
} from './view/index.js';

let state: PageState = NOTHING_KNOWN;
let link: LinkState = { kind: 'connecting', again: false };
let puzzled = false;
let frame: number | null = null;

/** However much comes, the page is drawn once a frame, and not at all while nobody can see it. */
function draw(): void {
  frame ??= requestAnimationFrame(() => {
    frame = null;
    const nowMs = performance.now();
    header.render(state, link, puzzled, nowMs);
    progress.render(state);
    samples.render(state);
    curves.render(state, nowMs);
    ring.render(state, nowMs);
    events.render(state);
  });
}

function take(message: LiveMessage): void {
  try {
    state = apply(state, message);
  } catch (error) {
    puzzled = true;
    console.warn(error);
  }
  if (message.kind === 'ended') connection.finish();
  draw();
}

const header = new HeaderView();
const progress = new ProgressView();
const samples = new SamplesView((how) => {
  state = { ...state, samples: how(state.samples) };
  draw();
});
const curves = new CurvesView();
const ring = new RingView(draw);
const events = new EventsView();
new ThemeToggle(() => curves.repaint());

const connection = new Connection({
  onMessage: take,
  onLink: (now) => {
    link = now;
    draw();
  },
  onRubbish: () => {
    puzzled = true;
    draw();
  },
});
connection.start();
// Countdowns go on, and what was held back to be drawn less often is drawn, also when nothing comes.
setInterval(draw, 500);
