import { everySubject, inboxPrefix, type Role } from '../../proto/index.js';

/** What one role has to do with another's: it offers (exports) or takes (imports) messages or a service, by subject. */
interface Passage {
  readonly kind: 'stream' | 'service';
  readonly from: Role;
  readonly to: Role;
  readonly subject: string;
}

export interface Rights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/**
 * What a worker needs of the object store: it adds chunks and their descriptions, and reads both one by one. NATS has no
 * wildcard for a part of a stream's name, so that it may read other streams as well. Not the rest of the JetStream API: who
 * makes a consumer names the subject to which the server then publishes what is stored, and who purges or deletes a stream
 * may do so to every one, the run's record included.
 */
const OBJECTS = ['$O.*.C.>', '$O.*.M.>', '$JS.API.DIRECT.GET.*'];

/** What a watcher needs of the run's record: its keys, one by one. */
const RECORD = ['$JS.API.DIRECT.GET.*.$KV.>'];

/**
 * What passes between the roles. Each has an account of its own, because permissions alone do not hold: NATS answers a
 * request at the subject that the request names, whatever the user may publish there, so that in one account a worker
 * could have the server's answer written over a key of the run's record, or sent out as the coordinator's word. Accounts
 * share no subject but these, and an answer stays in the account of who asked; the workers, who share one, know an answer
 * by its headers (Bus).
 */
function passages(cluster: string): Passage[] {
  const service = (from: Role, subjects: readonly string[]): Passage[] =>
    subjects.map((subject) => ({ kind: 'service', from, to: 'coordinator', subject }));
  return [
    { kind: 'stream', from: 'worker', to: 'coordinator', subject: everySubject(cluster, 'up') },
    { kind: 'stream', from: 'coordinator', to: 'worker', subject: everySubject(cluster, 'down') },
    { kind: 'stream', from: 'coordinator', to: 'worker', subject: everySubject(cluster, 'all') },
    { kind: 'stream', from: 'coordinator', to: 'watch', subject: everySubject(cluster, 'out') },
    ...service('worker', OBJECTS),
    ...service('watch', RECORD),
  ];
}

/** What the user of each role may publish and subscribe in its own account. Pure. */
export function rightsOf(cluster: string, role: Role): Rights {
  const every = (direction: Parameters<typeof everySubject>[1]): string => everySubject(cluster, direction);
  const inbox = `${inboxPrefix(cluster, role)}.>`;
  switch (role) {
    case 'coordinator':
      return {
        publish: [
          ...(['down', 'all', 'out'] as const).map(every),
          ...['$JS.API.>', '$JS.ACK.>', '$JS.FC.>', '$KV.>', '$O.>'],
        ],
        subscribe: [every('up'), inbox],
      };
    case 'worker':
      return { publish: [every('up'), ...OBJECTS], subscribe: [every('down'), every('all'), inbox] };
    case 'watch':
      return { publish: RECORD, subscribe: [every('out'), inbox] };
  }
}

const accountOf = (role: Role): string => role.toUpperCase();

/** Who serves a service is asked; who speaks in a stream is listened to. */
const owner = ({ kind, from, to }: Passage): Role => (kind === 'service' ? to : from);
const guest = ({ kind, from, to }: Passage): Role => (kind === 'service' ? from : to);

/**
 * A NATS server's `accounts`: one a role, JetStream in the coordinator's alone. Without a key of these there is no
 * connection. Pure.
 * @param publicKeys of each role's NKey
 */
export function accounts(
  cluster: string,
  publicKeys: Readonly<Record<Role, string>>,
): Record<string, unknown> {
  const all = passages(cluster);
  const account = (role: Role): Record<string, unknown> => {
    const { publish, subscribe } = rightsOf(cluster, role);
    return {
      ...(role === 'coordinator' ? { jetstream: 'enabled' } : {}),
      users: [
        {
          nkey: publicKeys[role],
          permissions: { publish: { allow: publish }, subscribe: { allow: subscribe } },
        },
      ],
      exports: all
        .filter((passage) => owner(passage) === role)
        .map((passage) => ({ [passage.kind]: passage.subject, accounts: [accountOf(guest(passage))] })),
      imports: all
        .filter((passage) => guest(passage) === role)
        .map((passage) => ({
          [passage.kind]: { account: accountOf(owner(passage)), subject: passage.subject },
        })),
    };
  };
  const roles: readonly Role[] = ['coordinator', 'worker', 'watch'];
  return Object.fromEntries(roles.map((role) => [accountOf(role), account(role)]));
}
