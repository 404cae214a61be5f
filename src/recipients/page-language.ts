/** Which language a reader of the pages gets, and the words in it. */
import { lookUpLanguage } from '../templates/locale.ts';
import { catalogue } from './page-catalogue.ts';
import type { PageWords } from './page-words.ts';

/** The languages that have words, as canonical tags. */
export const pageLanguages: readonly string[] = Object.keys(catalogue);

/** The words of one of `pageLanguages`. */
export function wordsIn(language: string): PageWords {
  return catalogue[language as keyof typeof catalogue] ?? catalogue.en;
}

/** A delivery method in the reader's words; its own name if there are none. */
export function methodIn(words: PageWords, method: string): string {
  const { email, inApplication, textMessage } = words;
  return (
    new Map([
      ['smtp', email],
      ['inbox', inApplication],
      ['sms', textMessage],
      ['webhook', 'Webhook'],
    ]).get(method) ?? method
  );
}

/** Languages of a header that are looked at. */
const maxLanguages = 20;

/** Chooses the language by `Accept-Language` (RFC 9110, section 12.5.4; lookup of RFC 4647, section 3.4). */
export function languageOf(header: string | null): string {
  const wanted = (header ?? '')
    .slice(0, 500)
    .split(',', maxLanguages)
    .map((entry) => {
      const [tag = '', quality = ''] = entry.split(';');
      return { tag: tag.trim(), quality: quality.trim() === '' ? 1 : Number(quality.trim().replace(/^q=/i, '')) };
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality);
  for (const { tag } of wanted) {
    const found = lookUpLanguage(pageLanguages, tag);
    if (found !== null) return found;
  }
  return 'en';
}
