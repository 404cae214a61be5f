/** The contract of a format: how a message is written for one kind of receiver, and what its responses mean. */
import type { Delivery } from '../../dispatcher.ts';
import type { ClassifyContext, ResponseFacts, Classification } from '../classify-response.ts';
import type { SigningKey } from '../signature.ts';

/** The part of an endpoint that a format may use. */
export interface FormatEndpoint {
  readonly url: string;
  readonly secrets: readonly string[];
  /** `standard`: the keys of the secrets, if they were parsed before. */
  readonly signingKeys?: readonly SigningKey[];
}

/** The request of one attempt, without the headers that every request has. */
export interface FormatRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** How one kind of receiver is spoken to. */
export interface Format {
  /** Largest body in bytes. `standard` fails beyond it; the others shorten their texts, so that it is never reached. */
  readonly maxBodyBytes: number;
  /** Requests per second that the service accepts; null: unknown, so only its 429 responses limit us. */
  readonly requestsPerSecond: number | null;
  /**
   * Why a URL cannot be one of this service, without any part of it: it may hold a secret. Null if it can. Default: it
   * can.
   */
  readonly urlProblem?: (url: URL) => string | null;
  /** Writes the request. `now` is the time of the attempt; only signatures contain it. Pure. */
  build(delivery: Delivery, endpoint: FormatEndpoint, now: Date): FormatRequest;
  /** What a response means; null: the same as from any receiver (see `classifyResponse`). Pure. */
  classify(response: ResponseFacts, context: ClassifyContext): Classification | null;
}
