/** Examines the time zones of recipients: quiet hours pass over one that Postgres does not know. */
import type { Queryable } from '../../database/pool.ts';
import { type Finding, plural, warning } from './finding.ts';

interface UnknownZone {
  readonly zone: string;
  readonly recipients: number;
  readonly example: string;
}

// A time zone stands in the messages only, so the newest ones tell about the recipients of now.
const recipientsQuery = `
SELECT z.zone, count(DISTINCT z.recipient_id)::int AS recipients, min(z.recipient_id) AS example
FROM (
  SELECT m.recipient ->> 'timeZone' AS zone, m.recipient_id FROM herald.message m
  ORDER BY m.created_at DESC, m.id DESC LIMIT 10000
) z
WHERE z.zone IS NOT NULL
GROUP BY z.zone HAVING herald.known_zone(z.zone) IS NULL ORDER BY count(DISTINCT z.recipient_id) DESC, z.zone`;

const hoursQuery = `
SELECT h.scope, h.subject, h.zone FROM herald.hours h
WHERE h.zone IS NOT NULL AND herald.known_zone(h.zone) IS NULL ORDER BY h.scope, h.subject LIMIT 100`;

/** In one finding. */
const mostZones = 5;

/** Lists time zones that are passed over. */
export async function examineTimeZones(client: Queryable): Promise<Finding[]> {
  const recipients = (await client.query<UnknownZone>(recipientsQuery)).rows;
  const hours = (await client.query<{ scope: string; subject: string; zone: string }>(hoursQuery)).rows;
  return [...ofRecipients(recipients), ...hours.map(ofHours)];
}

function ofRecipients(zones: readonly UnknownZone[]): Finding[] {
  if (zones.length === 0) return [];
  const total = zones.reduce((sum, { recipients }) => sum + recipients, 0);
  const listed = zones
    .slice(0, mostZones)
    .map(({ zone, recipients, example }) => `"${printable(zone)}" (${recipients}, such as ${printable(example)})`);
  const more = zones.length > mostZones ? ` and ${plural(zones.length - mostZones, 'other')}` : '';
  const text = `${plural(total, 'recipient')} with an unknown time zone: ${listed.join(', ')}${more}`;
  const remedy =
    'pass names such as Europe/Berlin; quiet hours use the zone of the tenant or that for all, and then UTC';
  return [warning('time zones', text, remedy)];
}

function ofHours({ scope, subject, zone }: { scope: string; subject: string; zone: string }): Finding {
  const whose = scope === 'all' ? 'for all' : `of the ${scope} ${printable(subject)}`;
  const text = `the quiet hours ${whose} have the unknown time zone "${printable(zone)}"`;
  return warning('time zones', text, 'set them again with "pg-herald hours set", or update the server\'s time zones');
}

/** Profiles are written by users. */
function printable(text: string): string {
  return text.replace(/[^\p{L}\p{N} _.,:;+@/()-]/gu, '?').slice(0, 100);
}
