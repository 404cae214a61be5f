/** An endpoint as its row of `herald.endpoint` holds it, and what is sealed inside. */
import type { SecretBox } from '../../../secrets.ts';
import type { TlsMaterial } from '../../egress/connector.ts';
import { parseEndpoint, type Endpoint, type EndpointSettings } from '../endpoint.ts';
import type { FormatName } from '../formats/formats.ts';
import type { Circuit, DisabledReason } from './circuit.ts';

/** The columns that the dispatcher reads. */
export interface EndpointRow extends Circuit {
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
  /** Of the settings, not of the circuit. */
  readonly updatedAt: Date;
}

export const circuitColumns = `failures, faults, failing_since AS "failingSince", warned_at AS "warnedAt", opened_at AS "openedAt",
  probe_at AS "probeAt", probing, probes, window_at AS "windowAt", window_calls AS "windowCalls", window_faults AS "windowFaults"`;

export const endpointColumns = `id, name, tenant, recipient_id AS "recipientId", sealed, format, http_method AS "httpMethod",
  timeout_seconds AS "timeoutSeconds", retry, max_concurrency AS "maxConcurrency", requests_per_second AS "requestsPerSecond",
  disabled_at AS "disabledAt", disabled_reason AS "disabledReason", updated_at AS "updatedAt", ${circuitColumns}`;

/** The settings that must not be read from a dump of the database; sealed together, bound to the endpoint's id. */
export interface SealedSettings {
  readonly url?: string;
  readonly secret?: string;
  /** Secrets that receivers may still verify with, and until when (ISO 8601). */
  readonly previousSecrets?: readonly { readonly secret: string; readonly expiresAt: string }[];
  readonly signingKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: TlsMaterial;
  /** Mail address of whoever looks after it. */
  readonly contact?: string;
}

/** What becomes of a pending message whose endpoint switched itself off; for `UPDATE herald.message SET`. */
export const heldAssignments = `status = 'held', next_attempt_at = 'infinity', reason = 'gone', detail = 'endpoint disabled'`;

/** How long receivers may go on verifying with the secret before, in seconds. */
export const rotationOverlapSeconds = 86_400;
const maxPreviousSecrets = 10;

export function sealSettings(box: SecretBox, id: string, settings: SealedSettings): string {
  return box.encrypt(JSON.stringify(settings), `endpoint:${id}`);
}

/** @throws {ConfigurationError} when the key is missing or the text was changed or moved. */
export function openSettings(box: SecretBox, id: string, sealed: string): SealedSettings {
  // Authenticated by the box: nobody but us has written it.
  return JSON.parse(box.decrypt(sealed, `endpoint:${id}`)) as SealedSettings;
}

/** The settings with a new secret; the one before stays valid for the overlap, 0 ends it at once (a leak). */
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

/** @throws {ConfigurationError} when the sealed part cannot be opened or holds something that is not valid. */
export function endpointOf(row: EndpointRow, box: SecretBox, now: Date): Endpoint {
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
