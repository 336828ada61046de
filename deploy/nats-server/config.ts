import { UsageError, limits } from '../../proto/index.js';

export interface NatsServerConfig {
  /** 0 for a free one. */
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Folder in which the server writes a file with the ports it listens on. */
  readonly portsFolder: string;
  readonly pidFile: string;
  readonly logFile: string;
  readonly jetStreamFolder: string;
}

const LOG_BYTES = 4 << 20;

/**
 * The server's configuration file. It listens on the loopback interface only, knows one user, and has JetStream write
 * through to the disk, so that what was acknowledged survives a power cut.
 */
export function renderConfig(config: NatsServerConfig): string {
  return [
    'host: "127.0.0.1"',
    `port: ${config.port === 0 ? -1 : config.port}`,
    `ports_file_dir: ${quoted(config.portsFolder)}`,
    `pid_file: ${quoted(config.pidFile)}`,
    `log_file: ${quoted(config.logFile)}`,
    `logfile_size_limit: ${LOG_BYTES}`,
    'logfile_max_num: 2',
    `max_payload: ${limits.natsPayloadBytes}`,
    'jetstream {',
    `  store_dir: ${quoted(config.jetStreamFolder)}`,
    '  sync_interval: always',
    '}',
    'authorization {',
    `  user: ${quoted(config.user)}`,
    `  password: ${quoted(config.password)}`,
    '}',
    '',
  ].join('\n');
}

/** A string of NATS's configuration language, which escapes as JSON does but for control characters. */
function quoted(text: string): string {
  for (const character of text) {
    if (character < ' ')
      throw new UsageError(
        `nats-server cannot be given a path with control characters: ${JSON.stringify(text)}`,
      );
  }
  return JSON.stringify(text);
}
