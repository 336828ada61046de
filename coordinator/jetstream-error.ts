import type { NatsError } from 'nats';

/** JetStream's number for what it refused (its `err_code`); 0 for an error that is none of its answers. */
export const errorCode = (error: unknown): number => (error as Partial<NatsError>).api_error?.err_code ?? 0;
