/** Which preference applied at a time, and who had set it: from the history, not from what applies now. */
import type { Queryable } from '../database/pool.ts';
import { checkInput, fields, text, time } from './input.ts';

/** Whose preference, and about what: for example a message of `showMessage`. */
export interface PreferenceQuestion {
  /** Id of the recipient. */
  readonly recipientId: string;
  /** Name of the template. */
  readonly template: string;
  /** Group of the template. */
  readonly group: string;
  /** For example `smtp`. */
  readonly method: string;
}

/** A preference that decided whether a recipient got a template by a method. */
export interface DecidingPreference {
  /** What it was about: one template, a group of them, or everything. */
  readonly scope: 'template' | 'group' | 'all';
  /** Name of the template or group; empty for everything. */
  readonly subject: string;
  /** A method, or `*` for every method. */
  readonly method: string;
  /** Whether it was turned on. */
  readonly enabled: boolean;
  /** Who had set it: the recipient by a `link` or signed in (`inbox`), or the application (`api`), and others. */
  readonly changedBy: 'link' | 'inbox' | 'api' | 'operator' | 'report' | 'import' | 'sql';
  /** Login role of the connection that had set it. */
  readonly databaseUser: string;
  /** When it was set. */
  readonly since: Date;
}

const input = fields({
  asked: fields({ recipientId: text, template: text, group: text, method: text }),
  at: time,
});

/**
 * Returns the preference that decided at that time, to the millisecond, or null: there was none, so the template's
 * default applied.
 */
export async function preferenceAt(
  client: Queryable,
  asked: PreferenceQuestion,
  at: Date,
): Promise<DecidingPreference | null> {
  checkInput('preferenceAt', input, { asked, at });
  const { recipientId, template, group, method } = asked;
  const { rows } = await client.query<DecidingPreference>(
    `SELECT scope, subject, by_method AS method, enabled, changed_by AS "changedBy",
       database_user AS "databaseUser", since
     FROM herald.choice_at($1, $2, $3, $4, $5::timestamptz + interval '999 microseconds')`,
    [recipientId, template, group, method, at],
  );
  return rows[0] ?? null;
}

const changers: Readonly<Record<DecidingPreference['changedBy'], string>> = {
  link: 'the recipient, by a link in a message',
  inbox: 'the recipient, in the application',
  api: 'the application',
  operator: 'an operator',
  report: 'a report of the mailbox provider',
  import: 'an import',
  sql: 'SQL',
};

/** A preference in words, for example `group "Reports" off for smtp, set by the recipient, by a link in a message`. */
export function preferenceText(preference: DecidingPreference | null): string {
  if (preference === null) return "no preference of the recipient, so the template's default";
  const { scope, subject, method, enabled, changedBy, databaseUser, since } = preference;
  const what = scope === 'all' ? 'everything' : `${scope} "${subject}"`;
  const by = method === '*' ? 'every method' : method;
  const who = `${changers[changedBy]}${changedBy === 'sql' ? ` as ${databaseUser}` : ''}`;
  return `${what} ${enabled ? 'on' : 'off'} for ${by}, set at ${since.toISOString()} by ${who}`;
}
