/** Examines the time zones of recipients: quiet hours pass over one that Postgres does not know. */
import type { Queryable } from '../../database/pool.ts';
import { type Finding, plural, warning } from './finding.ts';

interface UnknownZone {
  readonly zone: string;
  readonly recipients: number;
  readonly example: string;
}

interface UnknownSetting {
  readonly owner: string;
  readonly zone: string;
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

const settingsQuery = `
SELECT 'quiet hours for all' AS owner, zone FROM herald.hours WHERE scope = 'all'
UNION ALL SELECT 'quiet hours of the ' || scope || ' ' || subject, zone FROM herald.hours WHERE scope <> 'all'
UNION ALL SELECT 'settings of the tenant ' || id, time_zone FROM herald.tenant`;

/** In one finding. */
const mostZones = 5;

/** Lists time zones that are passed over. */
export async function examineTimeZones(client: Queryable): Promise<Finding[]> {
  const recipients = (await client.query<UnknownZone>(recipientsQuery)).rows;
  const text = `SELECT s.owner, s.zone FROM (${settingsQuery}) s
    WHERE s.zone IS NOT NULL AND herald.known_zone(s.zone) IS NULL ORDER BY 1 LIMIT 20`;
  const settings = (await client.query<UnknownSetting>(text)).rows;
  return [...ofRecipients(recipients), ...settings.map(ofSetting)];
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

function ofSetting({ owner, zone }: UnknownSetting): Finding {
  const text = `the ${printable(owner)} have the unknown time zone "${printable(zone)}"`;
  return warning('time zones', text, "set them again, or update the time zones of the database's server");
}

/** Profiles are written by users. */
function printable(text: string): string {
  return text.replace(/[^\p{L}\p{N} _.,:;+@/()-]/gu, '?').slice(0, 100);
}
