/** Where runs go that are not told where, below the working folder. */
export const RUNS_FOLDER = 'runs';
/** In a run's folder: what belongs to the cluster rather than to the result, such as NATS's store and logs. */
export const CLUSTER_FOLDER = '.cluster';
