/** An endpoint as the table `herald.endpoint` holds it, and its encrypted settings. */
import type { SecretBox } from '../../../secrets.ts';
import type { TlsMaterial } from '../../egress/connector.ts';
import { parseEndpoint, type Endpoint, type EndpointSettings } from '../endpoint.ts';
import type { FormatName } from '../formats/formats.ts';
import type { Circuit, DisabledReason } from './circuit.ts';

/** The columns that the dispatcher reads. */
export interface StoredEndpoint extends Circuit {
  readonly id: string;
  readonly name: string;
  readonly tenant: string | null;
  readonly recipientId: string | null;
  readonly sealed: string;
  readonly format: FormatName;
  readonly httpMethod: 'POST' | 'PUT' | 'PATCH';
  readonly timeoutSeconds: number;
  readonly retry: 'all' | 'transient';
  readonly maxConcurrency: number;
  readonly requestsPerSecond: number | null;
  readonly disabledAt: Date | null;
  readonly disabledReason: DisabledReason | null;
  /** When the settings changed; the circuit does not count. */
  readonly updatedAt: Date;
}

/** The columns of `Circuit`. */
export const circuitColumns = `failures, faults, failing_since AS "failingSince", warned_at AS "warnedAt",
  opened_at AS "openedAt", probe_at AS "probeAt", probing, probes,
  window_at AS "windowAt", window_calls AS "windowCalls", window_faults AS "windowFaults"`;

/** The columns of `StoredEndpoint`. */
export const endpointColumns = `id, name, tenant, recipient_id AS "recipientId", sealed, format,
  http_method AS "httpMethod", timeout_seconds AS "timeoutSeconds", retry, max_concurrency AS "maxConcurrency",
  requests_per_second AS "requestsPerSecond",
  disabled_at AS "disabledAt", disabled_reason AS "disabledReason", updated_at AS "updatedAt", ${circuitColumns}`;

/** The settings that a dump of the database must not reveal; encrypted together and bound to the endpoint's id. */
export interface SealedSettings {
  readonly url?: string;
  readonly secret?: string;
  /** Secrets that receivers may still verify with, and until when (ISO 8601). */
  readonly previousSecrets?: readonly { readonly secret: string; readonly expiresAt: string }[];
  readonly signingKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: TlsMaterial;
  /** Email address of the person in charge. */
  readonly contact?: string;
}

/** For `UPDATE herald.message SET`: what happens to a pending message when its endpoint is switched off. */
export const heldAssignments = `status = 'held', next_attempt_at = 'infinity', reason = 'gone',
  detail = 'endpoint disabled'`;

/** How long receivers may verify with the previous secret, in seconds. */
export const rotationOverlapSeconds = 86_400;
const maxPreviousSecrets = 10;

/** Encrypts the settings of the endpoint with this id. */
export function sealSettings(box: SecretBox, id: string, settings: SealedSettings): string {
  return box.encrypt(JSON.stringify(settings), `endpoint:${id}`);
}

/**
 * Decrypts the settings of the endpoint with this id.
 *
 * @throws {ConfigurationError} if the key is missing, or the text was changed or belongs to another endpoint.
 */
export function openSettings(box: SecretBox, id: string, sealed: string): SealedSettings {
  // The encryption authenticates it, so it has the shape that `sealSettings` wrote.
  return JSON.parse(box.decrypt(sealed, `endpoint:${id}`)) as SealedSettings;
}

/** The settings with a new secret. The previous one stays valid for the overlap; 0 ends it at once, after a leak. */
export function rotateSecret(
  settings: SealedSettings,
  secret: string,
  { now, overlapSeconds = rotationOverlapSeconds }: { readonly now: Date; readonly overlapSeconds?: number },
): SealedSettings {
  const expiresAt = new Date(now.getTime() + overlapSeconds * 1_000).toISOString();
  const before = settings.secret === undefined ? [] : [{ secret: settings.secret, expiresAt }];
  const valid = overlapSeconds === 0 ? [] : [...before, ...(settings.previousSecrets ?? [])];
  const previousSecrets = valid.filter((each) => new Date(each.expiresAt) > now).slice(0, maxPreviousSecrets);
  return { ...settings, secret, previousSecrets };
}

/**
 * The endpoint to call, with the previous secrets that are still valid.
 *
 * @throws {ConfigurationError} if the settings cannot be decrypted or are not valid.
 */
export function toEndpoint(row: StoredEndpoint, box: SecretBox, now: Date): Endpoint {
  const { previousSecrets = [], contact: _, ...sealed } = openSettings(box, row.id, row.sealed);
  const settings: EndpointSettings = {
    ...sealed,
    previousSecrets: previousSecrets.filter(({ expiresAt }) => new Date(expiresAt) > now).map(({ secret }) => secret),
    format: row.format,
    httpMethod: row.httpMethod,
    timeoutSeconds: row.timeoutSeconds,
    retry: row.retry,
  };
  return parseEndpoint(`endpoint ${row.id}`, row.id, settings);
}
