import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { limits, PROTOCOL_VERSION } from '../../proto/index.js';

/**
 * How two workers that meet on a socket prove to each other that they belong to the same ring epoch, before either
 * believes anything else. Text messages of JSON, the dialler first:
 *
 *     dialler   hello      who I am, where I want to, my nonce
 *     acceptor  challenge  its nonce
 *     dialler   proof      HMAC-SHA256 over everything said, in the dialler's role
 *     acceptor  welcome    the same in the acceptor's role
 *
 * The key is the ring epoch's secret, which reached both over NATS and never crosses the socket. The nonces are fresh, so a
 * recorded handshake is worth nothing; the roles differ, so neither side's proof can be sent back to it. The acceptor,
 * which anybody can reach, proves itself last.
 */
export const PURPOSES = ['ring', 'state'] as const;
/** What a socket is for, a link of the ring or a replica's state: the path that is dialled. */
export type Purpose = (typeof PURPOSES)[number];

/** Path of the URL that is dialled for a purpose. */
export function pathOf(purpose: Purpose): string {
  return `/${purpose}`;
}

/** A longer message before the handshake's end is none of ours. */
export const HANDSHAKE_MESSAGE_BYTES = 1_024;
export const NONCE_BYTES = 32;

const rank = z
  .int()
  .min(0)
  .max(limits.maxWorkers - 1);
const nonce = z.string().regex(/^[0-9a-f]{64}$/);
const proof = z.string().regex(/^[0-9a-f]{64}$/);

const helloSchema = z.strictObject({
  kind: z.literal('hello'),
  protocol: z.literal(PROTOCOL_VERSION),
  runId: z.string().min(1).max(64),
  ringEpoch: z.int().min(0),
  /** Rank of the dialler. */
  fromRank: rank,
  /** Rank that the dialler takes the acceptor for. */
  toRank: rank,
  nonce,
});
const challengeSchema = z.strictObject({ kind: z.literal('challenge'), nonce });
const proofSchema = z.strictObject({ kind: z.literal('proof'), proof });
const welcomeSchema = z.strictObject({ kind: z.literal('welcome'), proof });

const schemas = {
  hello: helloSchema,
  challenge: challengeSchema,
  proof: proofSchema,
  welcome: welcomeSchema,
} as const;
type MessageKind = keyof typeof schemas;
export type HandshakeMessage<K extends MessageKind = MessageKind> = z.infer<(typeof schemas)[K]>;
export type Hello = HandshakeMessage<'hello'>;

/** Decodes the one kind of message that may come now; undefined for anything else. */
export function parseHandshake<K extends MessageKind>(
  kind: K,
  message: Uint8Array,
): HandshakeMessage<K> | undefined {
  if (message.byteLength > HANDSHAKE_MESSAGE_BYTES) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(message.buffer, message.byteOffset, message.byteLength).toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = schemas[kind].safeParse(json);
  return parsed.success ? (parsed.data as HandshakeMessage<K>) : undefined;
}

export function encodeHandshake(message: HandshakeMessage): string {
  return JSON.stringify(message);
}

/** Everything that both sides have said. */
export interface Transcript {
  readonly purpose: Purpose;
  readonly hello: Hello;
  readonly acceptorNonce: string;
}

export type Role = 'dialler' | 'acceptor';

/**
 * Proof that whoever speaks in `role` knows the secret, as 64 hex digits.
 * @param secret of the ring epoch, hex
 */
export function proofOf(secret: string, role: Role, { purpose, hello, acceptorNonce }: Transcript): string {
  const { protocol, runId, ringEpoch, fromRank, toRank, nonce } = hello;
  const said = [
    'gan-cluster',
    protocol,
    role,
    purpose,
    runId,
    ringEpoch,
    fromRank,
    toRank,
    nonce,
    acceptorNonce,
  ];
  return createHmac('sha256', Buffer.from(secret, 'hex')).update(JSON.stringify(said)).digest('hex');
}

/** Takes the same time whichever digit differs. */
export function provesSecret(given: string, secret: string, role: Role, transcript: Transcript): boolean {
  return timingSafeEqual(Buffer.from(given, 'hex'), Buffer.from(proofOf(secret, role, transcript), 'hex'));
}
