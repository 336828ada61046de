/**
 * Plays a scripted run for whoever works on the live page: `npx tsx tests/browser/feed.ts [port]`. Build first.
 */
import { FeedServer } from './feed-server.js';
import { ScriptedRun } from './scripted-run.js';

const TURN_MS = 333;
/** Turn, and what happens then. */
const SCRIPT: Readonly<Record<number, (run: ScriptedRun) => ReturnType<ScriptedRun['say']>>> = {
  3: (run) => run.come('worker-0'),
  4: (run) => run.come('worker-1'),
  5: (run) => run.come('worker-2'),
  6: (run) => run.come('worker-3'),
  9: (run) => run.come('worker-4'),
  60: (run) => run.setRole('worker-2', 'silent'),
  63: (run) => run.kill('worker-2'),
  90: (run) => run.come('worker-2'),
};

const run = new ScriptedRun();
const feed = await FeedServer.start(run, Number(process.argv[2] ?? 0));
console.log(`A scripted feed, nothing is trained: ${feed.url}`);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  feed.tell(SCRIPT[turn]?.(run) ?? []);
  if (turn > 10) feed.tell(run.advance(20));
  if (run.step < run.total) return;
  feed.tell(run.end('done', `The scripted run is over after ${run.total} steps.`));
  clearInterval(timer);
}, TURN_MS);
