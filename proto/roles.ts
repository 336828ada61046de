/** Roles that have NATS credentials of their own. */
export const ROLES = ['coordinator', 'worker', 'watch'] as const;
export type Role = (typeof ROLES)[number];

/**
 * Where the answers to a role's requests go. Each role has a place of its own, so that a NATS account can keep the others
 * out of it. Without a role: of who may do everything, as the launcher of a local cluster.
 */
export const inboxPrefix = (cluster: string, role: Role | undefined): string =>
  role === undefined ? `_INBOX_${cluster}` : `_INBOX_${cluster}_${role}`;
