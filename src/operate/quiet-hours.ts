/** The quiet hours that are set, for operators. */
import * as v from 'valibot';
import type { Queryable } from '../database/pool.ts';
import type { OpenWindow } from '../enqueue/quiet-hours.ts';
import { checkInput, fields, text } from './input.ts';

/** One row of quiet hours. */
export interface StoredHours {
  /** Whose: of one recipient, of one tenant, or for all. */
  readonly scope: 'recipient' | 'tenant' | 'all';
  /** Id of the recipient or the tenant; empty for all. */
  readonly subject: string;
  /** The time zone; null: the recipient's own. */
  readonly timeZone: string | null;
  /** When messages may be sent. */
  readonly windows: readonly OpenWindow[];
  /** When they were set. */
  readonly updatedAt: Date;
}

/** Until when quiet hours stop a message. */
export interface QuietWait {
  /** When it is tried next: when they end, or when the message expires before that. */
  readonly until: Date;
  /** When they end. */
  readonly opensAt: Date;
  /** The same on the recipient's clock: `08:00`, `Mon 08:00` or `2026-11-30 08:00`, as far away as it is. */
  readonly localTime: string;
  /** The recipient's time zone. */
  readonly zone: string;
  /** Whose hours they are. */
  readonly scope: 'recipient' | 'tenant' | 'all';
}

/** Dates inside jsonb arrive as text. */
export function withDates(quiet: QuietWait): QuietWait {
  return { ...quiet, until: new Date(quiet.until), opensAt: new Date(quiet.opensAt) };
}

/** Those for all, those of tenants, then those of recipients, newest first: at most 1,000. */
export async function listQuietHours(client: Queryable): Promise<StoredHours[]> {
  const { rows } = await client.query<StoredHours>(
    `SELECT h.scope, h.subject, h.zone AS "timeZone", h.windows, h.updated_at AS "updatedAt" FROM herald.hours h
     ORDER BY array_position('{all,tenant,recipient}'::text[], h.scope), h.updated_at DESC LIMIT 1000`,
  );
  return rows;
}

/** One window in words: `mon-fri 08:00-20:00`. */
export function windowText({ days, from, to }: OpenWindow): string {
  const listed = typeof days === 'string' ? days : (days ?? []).join(',');
  return `${listed === '' ? '' : `${listed} `}${from}-${to}`;
}

/** The reverse: days and times, only times, or `always`. Null for anything else. */
export function parseWindow(text: string): OpenWindow | null {
  if (text.trim() === 'always') return { from: '00:00', to: '24:00' };
  const [, days, from = '', to = ''] = /^(?:(\S+) +)?(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text.trim()) ?? [];
  return from === '' ? null : { ...(days !== undefined && { days }), from, to };
}

/**
 * Whether quiet hours stop the messages of a method. At first they do, except for `inbox` and `webhook`. Returns false
 * if there is no such method.
 */
export async function setMethodQuietHours(client: Queryable, name: string, quietHours: boolean): Promise<boolean> {
  checkInput('setMethodQuietHours', fields({ name: text, quietHours: v.boolean('must be true or false') }), {
    name,
    quietHours,
  });
  const statement = `UPDATE herald.method SET quiet_hours = $2 WHERE name = $1 AND name <> '*'`;
  return (await client.query(statement, [name, quietHours])).rowCount === 1;
}
