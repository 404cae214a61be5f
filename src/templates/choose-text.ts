/** Which of a version's languages a recipient gets. Pure, so that every retry agrees. */
import type { Action } from '../vocabulary.ts';
import { lookUpLanguage } from './locale.ts';

/** The texts of a template version in one language. */
export interface LanguageText {
  /** Canonical BCP 47 tag. Default `en`. */
  readonly language?: string;
  readonly title: string;
  /** What lists of emails show after the subject; null: the beginning of the body. */
  readonly preview?: string | null;
  readonly body: string;
  readonly actions: readonly Action[];
  /** The application's own words for the layout of emails. */
  readonly words?: Readonly<Record<string, string>> | null;
}

/** The texts of a template version in all of its languages. */
export interface TextsByLanguage extends LanguageText {
  /** Further languages. The fields beside them are the default language, for everybody else. */
  readonly texts?: readonly LanguageText[] | null;
}

/** The language of a text that names none. */
export const defaultLanguage = 'en';

/** The text for a recipient with this locale: what RFC 4647 finds, otherwise the default language. */
export function chooseText(template: TextsByLanguage, locale: string | undefined): LanguageText {
  const { texts } = template;
  if (!texts || texts.length === 0 || locale === undefined) return template;
  const all = [template, ...texts];
  const chosen = lookUpLanguage(all.map(languageOf), locale);
  return all.find((text) => languageOf(text) === chosen) ?? template;
}

/** The language of a text. */
export function languageOf({ language = defaultLanguage }: Pick<LanguageText, 'language'>): string {
  return language;
}
