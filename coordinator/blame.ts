/** What a member told of a link of its ring. */
export interface LinkFailure {
  readonly workerId: string;
  readonly neighbour: string;
  /** Nothing came over it, though nobody had closed it. */
  readonly silent?: boolean;
}

/**
 * The link that broke first, as far as it can be told: a ring that fails closes both its links, so its other neighbour
 * tells of a lost link as well, and sometimes sooner. Where both ends name each other, that is the one; else one that was
 * silent, which nobody's closing explains; else the first that was told.
 */
export function brokenLink(failures: readonly LinkFailure[]): LinkFailure | null {
  const mutual = failures.find(({ workerId, neighbour }) =>
    failures.some((other) => other.workerId === neighbour && other.neighbour === workerId),
  );
  return mutual ?? failures.find(({ silent }) => silent === true) ?? failures[0] ?? null;
}

/** The same for both directions. */
export const linkKey = ({ workerId, neighbour }: LinkFailure): string =>
  [workerId, neighbour].sort().join(' ');
