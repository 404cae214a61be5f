/** The contract of a format: how a message is written for one kind of receiver, and what its answers mean. */
import type { Delivery } from '../../dispatcher.ts';
import type { ClassifyContext, ResponseFacts, Verdict } from '../classify-response.ts';
import type { SigningKey } from '../signature.ts';

/** What of an endpoint a format may use. */
export interface FormatEndpoint {
  readonly url: string;
  readonly secrets: readonly string[];
  /** `standard`: the keys behind the secrets, where they are at hand. */
  readonly signingKeys?: readonly SigningKey[];
}

/** The request of one attempt, without the headers that every request has. */
export interface FormatRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Format {
  /** Largest body in bytes. `standard` fails beyond it; the others cut their texts so that it is never reached. */
  readonly maxBodyBytes: number;
  /** Requests a second that the receiver takes; null: no limit but its own word. */
  readonly requestsPerSecond: number | null;
  /** Pure. `now` is the time of the attempt and appears in nothing but signatures. */
  build(delivery: Delivery, endpoint: FormatEndpoint, now: Date): FormatRequest;
  /** What an answer means; null: what it would mean from anybody (see `classifyResponse`). Pure. */
  classify(response: ResponseFacts, context: ClassifyContext): Verdict | null;
}
