import { firstLineOf, type UpMessage } from '../proto/index.js';
import type { Bus } from '../proto/runtime/bus.js';

/** Results that are kept to be told again; one task is under way at a time. */
const KEPT = 8;

/** What became of the coordinator's tasks: told when it is known, and again when the coordinator asks again. */
export class TaskResults {
  /** In order of arrival; null while a task is under way. */
  private readonly told = new Map<string, (() => void) | null>();

  constructor(
    private readonly bus: Pick<Bus, 'up'>,
    private readonly workerId: string,
  ) {}

  /** Notes a task that has come; true when it had come before, and its result, if there is one, is told again. */
  repeat(task: string): boolean {
    const tell = this.told.get(task);
    if (tell !== undefined) {
      tell?.();
      return true;
    }
    this.told.set(task, null);
    for (const oldest of [...this.told.keys()].slice(0, Math.max(0, this.told.size - KEPT)))
      this.told.delete(oldest);
    return false;
  }

  checkpointed(result: Omit<UpMessage<'checkpointed'>, 'workerId'>): void {
    this.tell(result.task, () =>
      this.bus.up('checkpointed', this.workerId, { workerId: this.workerId, ...result }),
    );
  }

  exported(result: Omit<UpMessage<'exported'>, 'workerId'>): void {
    this.tell(result.task, () =>
      this.bus.up('exported', this.workerId, { workerId: this.workerId, ...result }),
    );
  }

  failed(task: string, message: string): void {
    const { workerId } = this;
    this.tell(task, () =>
      this.bus.up('taskFailed', workerId, { workerId, task, message: firstLineOf(message).slice(0, 4_000) }),
    );
  }

  private tell(task: string, tell: () => void): void {
    this.told.set(task, tell);
    tell();
  }
}
