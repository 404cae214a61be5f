/** Tenants with a brand, a sender, a language or a time zone of their own. */
import * as v from 'valibot';
import type { Queryable } from '../database/pool.ts';
import { ConfigurationError } from '../errors.ts';
import { canonicalLocale } from '../templates/locale.ts';
import { type BrandChange, checkBrandFields } from '../templates/brand.ts';
import type { Brand } from '../vocabulary.ts';
import { anyText, checkInput, count, fields, text } from './input.ts';

/** A tenant that differs from the application. */
export interface Tenant {
  /** What `enqueue` gets as `tenant`. */
  readonly id: string;
  /** What replaces the worker's brand, field by field. */
  readonly brand: Partial<Brand>;
  /** Name of the SMTP sender, for templates that name none; null: the first. */
  readonly sender: string | null;
  /** Language tag for recipients without one; null: none. */
  readonly locale: string | null;
  /** IANA name of the time zone for recipients without one; null: none. */
  readonly timeZone: string | null;
  /** When it was first set. */
  readonly createdAt: Date;
  /** When it was last set. */
  readonly updatedAt: Date;
}

/** What to change. A field that is not given stays; null removes it. */
export interface TenantChange {
  /** Field by field, each as in the brand of a worker. */
  readonly brand?: BrandChange;
  /** Name of one of the senders of `smtp`: lower-case letters, digits, `.`, `_` and `-`; at most 63 characters. */
  readonly sender?: string | null;
  /** BCP 47 tag such as `de-AT`; also `de_AT`. At most 35 characters. */
  readonly locale?: string | null;
  /** IANA name such as `Europe/Vienna`, at most 64 characters. */
  readonly timeZone?: string | null;
}

const id = v.pipe(text, v.maxLength(200, 'is longer than 200 characters'), v.regex(/^\P{Cc}+$/u, 'must be one line'));
const sender = v.pipe(
  text,
  v.regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must be a name of a-z, 0-9, ".", "_" and "-", at most 63 characters'),
);
const changeSchema = v.strictObject(
  {
    brand: v.optional(v.record(v.string(), v.unknown(), 'must be an object')),
    sender: v.nullish(sender),
    locale: v.nullish(v.pipe(text, v.maxLength(35, 'is longer than 35 characters'))),
    timeZone: v.nullish(v.pipe(text, v.maxLength(64, 'is longer than 64 characters'))),
  },
  'is not a setting of a tenant; known: brand, sender, locale, timeZone',
);

const columns = `t.id, t.brand, t.sender, t.locale, t.time_zone AS "timeZone", t.created_at AS "createdAt",
  t.updated_at AS "updatedAt"`;

/** Returns at most 1,000 tenants, sorted by id; those after an id for the next page. */
export async function listTenants(
  client: Queryable,
  options: { readonly after?: string; readonly limit?: number } = {},
): Promise<Tenant[]> {
  checkInput('listTenants', fields({ after: v.optional(anyText), limit: v.optional(count) }), options);
  const { after = '', limit = 1000 } = options;
  const { rows } = await client.query<Tenant>(
    `SELECT ${columns} FROM herald.tenant t WHERE t.id COLLATE "C" > $1 ORDER BY t.id COLLATE "C" LIMIT $2`,
    [after, Math.min(limit, 1000)],
  );
  return rows;
}

/** Returns one tenant, or null if none was set under this id. */
export async function showTenant(client: Queryable, tenantId: string): Promise<Tenant | null> {
  checkInput('showTenant', fields({ id }), { id: tenantId });
  const { rows } = await client.query<Tenant>(`SELECT ${columns} FROM herald.tenant t WHERE t.id = $1`, [tenantId]);
  return rows[0] ?? null;
}

/**
 * Sets what a tenant has of its own, and returns all of it. Brand and sender apply to every message that is delivered
 * 5 s later or more, also to those that wait; locale and time zone to what is enqueued from now on.
 *
 * @throws {ConfigurationError} if a value is not valid; it names the field.
 */
export async function setTenant(client: Queryable, tenantId: string, change: TenantChange): Promise<Tenant> {
  checkInput('setTenant', fields({ id }), { id: tenantId });
  checkInput('setTenant', changeSchema, change);
  if (change.brand !== undefined) checkBrandFields(change.brand);
  const locale = change.locale ? checkedLocale(change.locale) : change.locale;
  if (change.timeZone) await requireZone(client, change.timeZone);
  const given = { sender: change.sender, locale, time_zone: change.timeZone };
  const { rows } = await client.query<Tenant>(
    `INSERT INTO herald.tenant AS t (id, brand, sender, locale, time_zone)
     VALUES ($1, jsonb_strip_nulls($2::jsonb), $3::jsonb ->> 'sender', $3::jsonb ->> 'locale',
       $3::jsonb ->> 'time_zone')
     ON CONFLICT (id) DO UPDATE SET brand = jsonb_strip_nulls(t.brand || $2::jsonb),
       sender = CASE WHEN $3::jsonb ? 'sender' THEN excluded.sender ELSE t.sender END,
       locale = CASE WHEN $3::jsonb ? 'locale' THEN excluded.locale ELSE t.locale END,
       time_zone = CASE WHEN $3::jsonb ? 'time_zone' THEN excluded.time_zone ELSE t.time_zone END,
       updated_at = now()
     RETURNING ${columns}`,
    [tenantId, JSON.stringify(change.brand ?? {}), JSON.stringify(given)],
  );
  const [tenant] = rows;
  if (tenant === undefined) throw new Error('the tenant was not stored');
  return tenant;
}

/** Removes what a tenant has of its own. Its messages and endpoints stay. Returns false if there was nothing. */
export async function removeTenant(client: Queryable, tenantId: string): Promise<boolean> {
  checkInput('removeTenant', fields({ id }), { id: tenantId });
  const { rowCount } = await client.query('DELETE FROM herald.tenant WHERE id = $1', [tenantId]);
  return rowCount === 1;
}

/** Also what POSIX calls a locale: `de_AT.UTF-8`. */
function checkedLocale(written: string): string {
  const locale = canonicalLocale(written);
  if (locale !== null && locale !== 'und') return locale;
  throw new ConfigurationError('setTenant: locale', `"${written}" is not a language tag such as de-AT`);
}

/** Both the database, which defers messages, and Node, which writes times, must know it. */
async function requireZone(client: Queryable, zone: string): Promise<void> {
  const refused = new ConfigurationError(
    'setTenant: timeZone',
    `"${zone}" is not the name of a time zone such as Europe/Vienna`,
  );
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
  } catch {
    throw refused;
  }
  const { rows } = await client.query<{ known: boolean }>('SELECT herald.known_zone($1) IS NOT NULL AS known', [zone]);
  if (rows[0]?.known !== true) throw refused;
}
