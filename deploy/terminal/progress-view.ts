import { SingleBar } from 'cli-progress';
import type { OutMessage } from '../../proto/index.js';
import { measures, passOf, type Status } from './words.js';

export type RunNews = OutMessage<'event'>;

/** Shows a run on a terminal, as lines in a log, or as JSON for programs. */
export interface ProgressView {
  status(status: Status): void;
  event(event: RunNews): void;
  /** Free lines before and after the training. */
  say(text: string): void;
  close(): void;
}

/** A bar that is redrawn in place; events scroll by above it. */
export class BarView implements ProgressView {
  private bar: SingleBar | null = null;

  constructor(private readonly stream: NodeJS.WriteStream) {}

  status(status: Status): void {
    if (status.phase !== 'training' && this.bar === null) return;
    const payload = { pass: passOf(status), measures: measures(status) };
    if (this.bar === null) {
      this.bar = new SingleBar({
        format: '{bar} {percentage}% | step {value}/{total} | {pass} | {measures}',
        barCompleteChar: '█',
        barIncompleteChar: '░',
        barsize: 20,
        hideCursor: true,
        linewrap: false,
        stopOnComplete: false,
        gracefulExit: false,
        stream: this.stream,
      });
      this.bar.start(status.steps, status.step, payload);
    } else {
      this.bar.update(status.step, payload);
    }
  }

  event(event: RunNews): void {
    this.say(event.level === 'info' ? event.text : `${event.level}: ${event.text}`);
  }

  say(text: string): void {
    if (this.bar === null) {
      this.stream.write(`${text}\n`);
      return;
    }
    // Above the bar: the bar's own line is cleared and drawn again below.
    this.stream.write(`\r\u001b[2K${text}\n`);
    this.bar.render();
  }

  close(): void {
    this.bar?.stop();
    this.bar = null;
  }
}

/** Time between two plain progress lines. */
const LINE_EVERY_MS = 5_000;

/** Plain lines for logs and pipes. */
export class LinesView implements ProgressView {
  private lastLineMs = Number.NEGATIVE_INFINITY;
  private lastStep = -1;

  constructor(
    private readonly write: (line: string) => void,
    private readonly nowMs: () => number,
  ) {}

  status(status: Status): void {
    const over = status.phase === 'finishing' || status.phase === 'ended';
    if ((status.phase !== 'training' && !over) || status.step === this.lastStep || status.step === 0) return;
    if (!over && this.nowMs() - this.lastLineMs < LINE_EVERY_MS) return;
    this.lastLineMs = this.nowMs();
    this.lastStep = status.step;
    this.write(`step ${status.step}/${status.steps} | ${passOf(status)} | ${measures(status)}`);
  }

  event(event: RunNews): void {
    this.write(event.level === 'info' ? event.text : `${event.level}: ${event.text}`);
  }

  say(text: string): void {
    this.write(text);
  }

  close(): void {
    // nothing is held open
  }
}

/** One JSON object a line. */
export class JsonView implements ProgressView {
  constructor(private readonly write: (line: string) => void) {}

  status(status: Status): void {
    this.write(JSON.stringify({ type: 'status', ...status }));
  }

  event(event: RunNews): void {
    this.write(JSON.stringify({ type: 'event', ...event }));
  }

  say(text: string): void {
    this.write(JSON.stringify({ type: 'message', text }));
  }

  close(): void {
    // nothing is held open
  }
}

/** The view that fits where the output goes. */
export function progressView(json: boolean, stream: NodeJS.WriteStream): ProgressView {
  const write = (line: string): void => void stream.write(`${line}\n`);
  if (json) return new JsonView(write);
  return stream.isTTY ? new BarView(stream) : new LinesView(write, () => performance.now());
}
