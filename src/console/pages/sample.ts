/** What a template is previewed and tested with: its example, and what was typed in instead. */
import { chooseText, languageOf } from '../../templates/choose-text.ts';
import type { TemplateHistory, TemplateVersion } from '../../templates/history.ts';
import { knownLanguage } from '../../templates/locale.ts';
import type { JsonValue, Recipient } from '../../vocabulary.ts';

/** Characters of one value. */
export const maxValueLength = 2000;

/** The values that a template is previewed with. */
export interface Sample {
  readonly version: TemplateVersion;
  readonly recipient: Recipient;
  /** Empty: none. */
  readonly tenant: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As typed. */
  readonly data: string;
}

/** A value is what was typed, or else the example's, or else the label's own name. */
export function sampleOf(
  read: (name: string) => string | undefined,
  { versions, example, currentVersion }: TemplateHistory,
): Sample | null {
  const requested = Number(read('version') ?? currentVersion);
  const version = versions.find((one) => one.version === requested) ?? versions[0];
  if (version === undefined) return null;
  const typed = (name: string) => read(name)?.replaceAll('\u0000', '').slice(0, maxValueLength);
  const names = [...new Set([...version.labels, ...Object.keys(example?.labels ?? {})])];
  const labels = names.map((name) => [name, typed(`label.${name}`) ?? example?.labels[name] ?? `[${name}]`] as const);
  const recipient = {
    ...(example?.recipient ?? { id: 'example', email: 'kim@example.com', name: 'Kim Lee' }),
    ...optional('name', typed('name')),
    ...optional('locale', typed('locale')),
    ...optional('timeZone', typed('timeZone')),
  };
  return {
    version,
    recipient: readerOf(recipient, version, typed('language')),
    tenant: typed('tenant')?.trim().slice(0, 200) ?? '',
    labels: Object.fromEntries(labels),
    data: typed('data') ?? (example === null || example.data === null ? '' : JSON.stringify(example.data, null, 2)),
  };
}

/** The recipient, as one who gets the chosen language. A locale that gets it anyway stays, for its dates. */
function readerOf(recipient: Recipient, version: TemplateVersion, chosen: string | undefined): Recipient {
  const language = chosen === undefined ? null : knownLanguage(chosen);
  if (language === null || languageOf(chooseText(version, recipient.locale)) === language) return recipient;
  return { ...recipient, locale: language };
}

function optional<Name extends string>(name: Name, value: string | undefined) {
  return value === undefined || value === '' ? {} : ({ [name]: value } as Record<Name, string>);
}

/** Parses the data. */
export function dataOf({ data: text }: Sample): { readonly data: JsonValue } | { readonly problem: string } {
  if (text.trim() === '') return { data: null };
  try {
    return { data: JSON.parse(text) as JsonValue };
  } catch {
    return { problem: 'The data is not valid JSON.' };
  }
}
