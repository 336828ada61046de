import { SingleBar } from 'cli-progress';

/** A bar for work of some seconds, redrawn in place; lines scroll by above it. Draws nothing where nobody looks. */
export class WorkBar {
  private bar: SingleBar | null = null;
  private words = '';

  /** @param stream draws on a terminal only; lines are written in any case */
  constructor(private readonly stream: NodeJS.WriteStream) {}

  /** @param words what is being done; others than before start another bar */
  update(words: string, done: number, total: number): void {
    if (!this.stream.isTTY) return;
    if (this.bar === null || words !== this.words) {
      this.close();
      this.words = words;
      this.bar = new SingleBar({
        format: '{bar} {percentage}% | {words}',
        barCompleteChar: '█',
        barIncompleteChar: '░',
        barsize: 20,
        hideCursor: true,
        linewrap: false,
        clearOnComplete: true,
        stopOnComplete: false,
        gracefulExit: false,
        stream: this.stream,
      });
      this.bar.start(total, done, { words });
    } else {
      this.bar.update(done);
    }
  }

  say(line: string): void {
    this.close();
    this.stream.write(`${line}\n`);
  }

  /** Takes the bar away. */
  close(): void {
    this.bar?.stop();
    this.bar = null;
  }
}
