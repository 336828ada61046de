import type { AllTopic, DownTopic, OutTopic, UpTopic } from './messages.js';

/**
 * Every subject, by who publishes it. The role comes early in the name, so that a NATS account can be limited to its
 * own: workers publish `gan.<cluster>.up.>` only (deploy/setup/rights.ts).
 *
 *   gan.<cluster>.up.<topic>.<worker>     worker      -> coordinator
 *   gan.<cluster>.down.<worker>.<topic>   coordinator -> one worker
 *   gan.<cluster>.all.<topic>             coordinator -> every worker
 *   gan.<cluster>.out.<topic>             coordinator -> whoever watches
 *   gan.<cluster>.launcher.<topic>        anybody     -> the launcher of a local cluster, which answers
 */
export const subjects = {
  up: (cluster: string, topic: UpTopic, workerId: string) => `gan.${cluster}.up.${topic}.${workerId}`,
  down: (cluster: string, workerId: string, topic: DownTopic | 'assignment') =>
    `gan.${cluster}.down.${workerId}.${topic}`,
  all: (cluster: string, topic: AllTopic) => `gan.${cluster}.all.${topic}`,
  out: (cluster: string, topic: OutTopic) => `gan.${cluster}.out.${topic}`,
  launcher: (cluster: string, topic: 'scale') => `gan.${cluster}.launcher.${topic}`,
} as const;

/** All subjects of one direction, as a NATS account is given them. */
export const everySubject = (cluster: string, direction: 'up' | 'down' | 'all' | 'out'): string =>
  `gan.${cluster}.${direction}.>`;
