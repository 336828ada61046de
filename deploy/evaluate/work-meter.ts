/** Adds up work that is done, and lets somebody see it: `done` of `total`, in any unit. */
export class WorkMeter {
  private done = 0;

  /** @param onWork awaited now and then, so that others get their turn; what it throws ends the work */
  constructor(
    private readonly total: number,
    private readonly onWork: (done: number, total: number) => Promise<void>,
  ) {}

  async add(work: number): Promise<void> {
    this.done += work;
    await this.onWork(this.done, this.total);
  }
}
