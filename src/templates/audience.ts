/** Which languages the recipients of a template read, as the messages of the last days show. */
import type { Pool } from 'pg';
import { languagesOf } from './compare-languages.ts';
import { canonicalLocale, languageName, lookUpLanguage } from './locale.ts';
import { issueAt, type TemplateIssue, type TemplateSource } from './template-file.ts';

/** How many recipients of a template have a locale. */
export interface LocaleCount {
  readonly template: string;
  /** As it was enqueued. */
  readonly locale: string;
  readonly recipients: number;
}

/** Days of messages that are looked at. */
export const audienceDays = 30;

/** Counts the recipients of each template by locale. Those without one get the default language on purpose. */
export async function readAudience(pool: Pick<Pool, 'query'>): Promise<LocaleCount[]> {
  const result = await pool.query<LocaleCount>(
    `SELECT template, recipient ->> 'locale' AS locale, count(DISTINCT recipient_id)::int AS recipients
     FROM herald.message
     WHERE created_at > now() - make_interval(days => $1) AND recipient ->> 'locale' <> ''
     GROUP BY 1, 2`,
    [audienceDays],
  );
  return result.rows;
}

/** A warning for each language that recipients of a template read and that the template does not have. */
export function audienceIssues(sources: readonly TemplateSource[], audience: readonly LocaleCount[]): TemplateIssue[] {
  return sources.flatMap((source) => {
    const { name, origin, language } = source;
    const instead = languageName(language);
    return [...missed(source, audience)]
      .sort(([, a], [, b]) => b - a)
      .map(([read, recipients]) => {
        const who = `${recipients} ${recipients === 1 ? 'recipient' : 'recipients'} of the last ${audienceDays} days`;
        const message = `${who} ${recipients === 1 ? 'reads' : 'read'} ${languageName(read)} and got ${instead}`;
        const fault = { message: `${message}; write ${name}.${read}.md`, severity: 'warning' } as const;
        return issueAt(origin.file, { line: 1, column: 1 }, fault);
      });
  });
}

/** Recipients by the language that they miss, without its country. */
function missed(source: TemplateSource, audience: readonly LocaleCount[]): Map<string, number> {
  const languages = languagesOf(source);
  const counts = new Map<string, number>();
  for (const { template, locale, recipients } of audience) {
    const tag = canonicalLocale(locale);
    if (template !== source.name || tag === null || tag === 'und') continue;
    if (lookUpLanguage(languages, locale) !== null) continue;
    const { language } = new Intl.Locale(tag);
    counts.set(language, (counts.get(language) ?? 0) + recipients);
  }
  return counts;
}
