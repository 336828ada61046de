import type { Length, SpecRequest } from '../../coordinator/index.js';
import type { NetworkName } from '../../proto/index.js';

export interface TrainOptions extends SpecRequest {
  readonly data: string;
  /** The user named the data source: then another is never taken in its place. */
  readonly dataNamed: boolean;
  readonly length: Length | null;
  /** Undefined: as many as the engine has cards, two where it needs none. */
  readonly workers: number | undefined;
  readonly prefetch: number;
  readonly checkpointEveryS: number;
  readonly waitWorkersS: number;
  readonly sampleEverySteps: number | null;
  /** Whose files the result has. */
  readonly networks: readonly NetworkName[];
  /** Of the live page; 0 for a free one. */
  readonly httpPort: number;
  readonly httpHost: string;
  readonly httpAllowedHosts: readonly string[];
  readonly out: string | undefined;
  readonly resume: boolean;
  readonly natsUrl: string | undefined;
  readonly natsCredsFile: string | undefined;
  readonly logLevel: string;
}
