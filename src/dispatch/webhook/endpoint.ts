/** One receiver: its URL, its format and its credentials. Either the default endpoint or a stored one. */
import * as v from 'valibot';
import { createSecureContext } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { ConfigurationError } from '../../errors.ts';
import { parseSettings } from '../settings.ts';
import type { TlsMaterial } from '../egress/connector.ts';
import { formatNames, formats, type FormatName } from './formats/formats.ts';
import { secretProblem, type SigningKey, signingKeyProblem, signingKeysOf } from './signature.ts';

/** The settings of an endpoint that an operator or a tenant chooses. */
export interface EndpointSettings {
  /**
   * Absolute `https:` URL of at most 2,048 characters. `ntfy`: the path is the topic. `pagerduty`: defaults to the
   * Events API v2. The URLs of chat services contain a secret, so it is treated as one.
   */
  readonly url?: string;
  /** How messages are written. Default `standard`. */
  readonly format?: FormatName;
  /**
   * `standard`: the signing secret, `whsec_` and base64 of 24 to 64 bytes. `pagerduty`: the routing key. `ntfy`: an
   * access token, if the topic needs one. The other formats have none.
   */
  readonly secret?: string;
  /** `standard`: secrets that receivers may still verify with during a rotation; at most 10. */
  readonly previousSecrets?: readonly string[];
  /**
   * `standard`: an Ed25519 key (`whsk_` and base64 of the seed, or seed and public key) for an extra `v1a` signature.
   */
  readonly signingKey?: string;
  /** Extra headers, for example `authorization`; at most 50. Headers that pg-herald sets itself are refused. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default `POST`. */
  readonly httpMethod?: 'POST' | 'PUT' | 'PATCH';
  /** Timeout of a whole call in seconds, 1 to 60. Default 20. */
  readonly timeoutSeconds?: number;
  /**
   * `all` (default): every refusal is retried, so that a broken deploy of the receiver loses nothing. `transient`: only
   * 408, 425, 429, 5xx and network faults are retried; any other refusal fails the message.
   */
  readonly retry?: 'all' | 'transient';
  /** PEM of the CA to trust instead of the well-known ones, and a client certificate with its key. */
  readonly tls?: TlsMaterial;
}

/** `EndpointSettings`, checked and with defaults. */
export interface Endpoint {
  /** UUID of a stored endpoint; null: the default endpoint. */
  readonly id: string | null;
  readonly url: string;
  readonly format: FormatName;
  /** `standard`: the signing secrets, newest first. Other formats: their one credential, if any. */
  readonly secrets: readonly string[];
  /** `standard`: the parsed keys of the secrets. */
  readonly signingKeys?: readonly SigningKey[];
  readonly headers: Readonly<Record<string, string>>;
  readonly httpMethod: 'POST' | 'PUT' | 'PATCH';
  readonly timeoutSeconds: number;
  readonly retry: 'all' | 'transient';
  readonly tls?: TlsMaterial;
}

/** The largest `timeoutSeconds` of an endpoint. */
export const maxTimeoutSeconds = 60;
const pagerDutyUrl = 'https://events.pagerduty.com/v2/enqueue';

/** Headers that HTTP or pg-herald sets. */
const reservedHeaders = new Set(
  [
    'host content-type content-length content-encoding transfer-encoding connection keep-alive te trailer',
    'upgrade expect user-agent accept-encoding idempotency-key',
  ].flatMap((names) => names.split(' ')),
);
const isReserved = (name: string) => reservedHeaders.has(name) || /^(proxy|webhook)-/.test(name);

const headerName = v.pipe(
  v.string(),
  v.toLowerCase(),
  v.regex(/^[!#$%&'*+.^_`|~0-9a-z-]{1,100}$/, 'must be a header name'),
  v.check((name) => !isReserved(name), 'is a header that pg-herald sets itself'),
);
const headerValue = v.pipe(
  v.string(),
  v.maxLength(4_096),
  v.regex(/^[\t\x20-\x7e]*$/, 'must be printable ASCII on one line'),
);
const nonEmpty = v.pipe(v.string(), v.minLength(1), v.maxLength(16_384));

/** The schema of `EndpointSettings`. `parseEndpoint` checks what depends on the format. */
const endpointSchema = v.strictObject({
  url: v.optional(v.pipe(v.string(), v.maxLength(2_048))),
  format: v.optional(v.picklist(formatNames), 'standard'),
  secret: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(1_024))),
  previousSecrets: v.optional(v.pipe(v.array(v.string()), v.maxLength(10)), []),
  signingKey: v.optional(v.string()),
  headers: v.optional(
    v.pipe(
      v.record(headerName, headerValue),
      v.check((headers) => Object.keys(headers).length <= 50, 'must have at most 50 headers'),
    ),
    {},
  ),
  httpMethod: v.optional(v.picklist(['POST', 'PUT', 'PATCH']), 'POST'),
  timeoutSeconds: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(maxTimeoutSeconds)), 20),
  retry: v.optional(v.picklist(['all', 'transient']), 'all'),
  tls: v.optional(v.strictObject({ ca: v.optional(nonEmpty), cert: v.optional(nonEmpty), key: v.optional(nonEmpty) })),
});

/**
 * Checks the settings of one endpoint. The egress guard decides whether its URL may be called.
 *
 * @param setting what errors are named after, for example `webhook.endpoint`
 * @throws {ConfigurationError} for the first setting that is wrong, without its value.
 */
export function parseEndpoint(setting: string, id: string | null, settings: EndpointSettings): Endpoint {
  const parsed = parseSettings(setting, endpointSchema, settings);
  const { url, secret, previousSecrets, signingKey, tls, ...rest } = parsed;
  const plain = secret === undefined ? [] : [secret, ...previousSecrets];
  const secrets = signingKey === undefined ? plain : [...plain, signingKey];
  checkSecrets(setting, parsed);
  if (tls) checkTls(`${setting}.tls`, tls);
  const address = url ?? (rest.format === 'pagerduty' ? pagerDutyUrl : undefined);
  if (address === undefined) throw new ConfigurationError(`${setting}.url`, 'is missing; give an absolute https: URL');
  if (URL.canParse(address)) refuse(`${setting}.url`, formats[rest.format].urlProblem?.(new URL(address)) ?? null);
  return {
    id,
    url: address,
    secrets,
    ...(rest.format === 'standard' ? { signingKeys: signingKeysOf(secrets) } : {}),
    ...rest,
    ...(tls ? { tls: definedOnly(tls) } : {}),
  };
}

function checkSecrets(setting: string, settings: v.InferOutput<typeof endpointSchema>): void {
  const { format, secret, previousSecrets, signingKey } = settings;
  if (format === 'pagerduty' && secret === undefined) {
    throw new ConfigurationError(`${setting}.secret`, 'is missing; give the routing key of the PagerDuty service');
  }
  if (format !== 'standard') return;
  if (secret === undefined) {
    throw new ConfigurationError(
      `${setting}.secret`,
      'is missing; make one with: echo whsec_$(openssl rand -base64 32)',
    );
  }
  refuse(`${setting}.secret`, secretProblem(secret));
  for (const [index, previous] of previousSecrets.entries()) {
    refuse(`${setting}.previousSecrets[${index}]`, secretProblem(previous));
  }
  if (signingKey !== undefined) refuse(`${setting}.signingKey`, signingKeyProblem(signingKey));
}

function refuse(setting: string, problem: string | null): void {
  if (problem !== null) throw new ConfigurationError(setting, problem);
}

function checkTls(
  setting: string,
  tls: { ca?: string | undefined; cert?: string | undefined; key?: string | undefined },
): void {
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new ConfigurationError(setting, 'a client certificate needs both cert and key');
  }
  try {
    // Throws if a PEM does not parse, and if the key does not belong to the certificate.
    createSecureContext(definedOnly(tls));
    if (tls.ca !== undefined) new X509Certificate(tls.ca);
  } catch (error) {
    throw new ConfigurationError(setting, 'must be valid PEM, with a key that belongs to the certificate', {
      cause: error,
    });
  }
  if (tls.cert !== undefined) requireUnexpired(`${setting}.cert`, tls.cert);
}

function requireUnexpired(setting: string, certificate: string): void {
  const { validToDate } = new X509Certificate(certificate);
  if (validToDate < new Date()) throw new ConfigurationError(setting, `expired on ${validToDate.toISOString()}`);
}

function definedOnly(tls: {
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
}): TlsMaterial {
  return {
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  };
}
