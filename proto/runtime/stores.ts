/** KV bucket of one run: its record, its ring epochs, the pointer to its newest checkpoint. */
export const runBucketName = (runId: string): string => `gan-run-${runId}`;

/** Object store of one run: checkpoints, histories, the finished generator's files. */
export const objectStoreName = (runId: string): string => `gan-objects-${runId}`;
