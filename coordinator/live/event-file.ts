import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../proto/index.js';
import { MAX_LIVE_EVENTS, liveEventSchema, type LiveEvent } from '../../proto/live.js';

/** Name of the file in the result folder. */
export const EVENTS_FILE = 'events.jsonl';

export type StoredEvent = Omit<LiveEvent, 'seq'>;
const storedSchema = liveEventSchema.omit({ seq: true });

/**
 * The events of a run, a JSON object a line, so that they outlive the coordinator. What the disk refuses is told once and
 * tried again with the next event.
 */
export class EventFile {
  private pending = '';
  private writing: Promise<void> | null = null;
  private warned = false;

  /** The newest events that earlier processes have left; lines that are none, as after a power cut, are left out. */
  earlier: readonly StoredEvent[] = [];

  private constructor(
    private readonly path: string,
    private readonly onWarning: (text: string) => void,
  ) {}

  /** @param folder the run's result folder */
  static async open(folder: string, onWarning: (text: string) => void): Promise<EventFile> {
    const file = new EventFile(join(folder, EVENTS_FILE), onWarning);
    file.earlier = await file.read();
    return file;
  }

  private async read(): Promise<StoredEvent[]> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.onWarning(`${EVENTS_FILE} cannot be read: ${messageOf(error)}`);
      return [];
    }
    // The next event is not to become a part of a line that was cut off.
    if (text !== '' && !text.endsWith('\n')) this.pending = '\n';
    return text
      .split('\n')
      .slice(-MAX_LIVE_EVENTS - 1)
      .flatMap(parsed);
  }

  add(event: StoredEvent): void {
    this.pending += `${JSON.stringify(event)}\n`;
    this.writing ??= this.write();
  }

  /** Waits until what was added is written, or refused. Never rejects. */
  async settled(): Promise<void> {
    while (this.writing !== null) await this.writing;
  }

  private async write(): Promise<void> {
    const text = this.pending;
    this.pending = '';
    try {
      await appendFile(this.path, text);
      this.warned = false;
      this.writing = this.pending === '' ? null : this.write();
    } catch (error) {
      this.pending = text + this.pending;
      this.writing = null;
      if (!this.warned) this.onWarning(`${EVENTS_FILE} cannot be written: ${messageOf(error)}`);
      this.warned = true;
    }
  }
}

function parsed(line: string): StoredEvent[] {
  try {
    return [storedSchema.parse(JSON.parse(line))];
  } catch {
    return []; // cut off, or another version's
  }
}
