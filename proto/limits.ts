/** A limit on everything that a user, a peer or a file can make large. */
export const limits = {
  /** NATS's default max_payload: an assignment carries one shard's pixels in one message. */
  natsPayloadBytes: 1_048_576,
  /** Header room kept free in an assignment. */
  assignmentHeaderBytes: 64,
  maxShards: 4_096,
  maxWorkers: 1_024,
  /** NVIDIA GPUs that one worker can tell of. */
  maxDevices: 64,
  /** Payload of one ring segment; also bounds what a peer can make us allocate. */
  ringSegmentBytes: 1_048_576,
  ringHandshakeMs: 5_000,
  /** Sockets that have connected to a ring port and not yet proved who they are. */
  ringPendingSockets: 64,
  /** A reduction is redone with a lower exponent at most this often. */
  maxRedos: 20,
  /** Steps in a row with a skipped update that end the run. */
  maxSkippedSteps: 10,
  checkpointsKept: 3,
  /** Steps that can be assigned ahead of the committed one. */
  maxPrefetch: 64,
  /** Pixels of a grid of sample images, which has to fit one NATS message. */
  sampleBytes: 800_000,
  /** Rows of one report, which has to fit one NATS message. */
  maxReportRows: 1_024,
} as const;

/** The largest shard whose pixels fit one NATS message. */
export function maxShardBatch(imageSize: number): number {
  return Math.floor((limits.natsPayloadBytes - limits.assignmentHeaderBytes) / imageSize);
}
