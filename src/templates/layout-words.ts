/** The fixed words around the content of an email, in the languages that pg-herald speaks. */
import { lookUpLanguage } from './locale.ts';

/** The fixed words of one language. */
export interface LayoutWords {
  /** The link that ends emails of this kind. */
  readonly unsubscribe: string;
  /** The link to the page of the recipient's preferences. */
  readonly preferences: string;
}

/** The names of the words. A file of words in `locales/` has some or all of them. */
export const layoutWordNames = ['unsubscribe', 'preferences'] as const satisfies readonly (keyof LayoutWords)[];

const english: LayoutWords = {
  unsubscribe: 'Unsubscribe from emails like this',
  preferences: 'Choose what you receive',
};

/** By canonical language tag. */
const catalogue: Readonly<Record<string, LayoutWords>> = {
  en: english,
  de: { unsubscribe: 'Solche E-Mails abbestellen', preferences: 'Auswählen, was Sie erhalten' },
  fr: { unsubscribe: 'Se désabonner des e-mails de ce type', preferences: 'Choisir ce que vous recevez' },
  es: { unsubscribe: 'Dejar de recibir correos como este', preferences: 'Elegir qué recibir' },
  pt: { unsubscribe: 'Deixar de receber e-mails como este', preferences: 'Escolher o que receber' },
  it: { unsubscribe: 'Non ricevere più email come questa', preferences: 'Scegli che cosa ricevere' },
  nl: { unsubscribe: 'Afmelden voor dit soort e-mails', preferences: 'Kiezen wat u ontvangt' },
  pl: { unsubscribe: 'Zrezygnuj z takich wiadomości', preferences: 'Wybierz, co chcesz otrzymywać' },
  ja: { unsubscribe: 'この種のメールの配信を停止する', preferences: '受け取る通知を選ぶ' },
  'zh-Hans': { unsubscribe: '退订此类邮件', preferences: '选择您要接收的内容' },
  ar: { unsubscribe: 'إلغاء الاشتراك في هذا النوع من الرسائل', preferences: 'اختر ما تود تلقّيه' },
  he: { unsubscribe: 'הסרה מרשימת התפוצה של הודעות כאלה', preferences: 'בחירת ההודעות שתקבלו' },
};

/** The languages that have words. */
export const layoutLanguages: readonly string[] = Object.keys(catalogue);

/**
 * The words for a text in this language: the application's own first, then the catalogue's, then English.
 *
 * @param own words of a file in `locales/`, which may be some of them.
 */
export function wordsOf(language: string, own: Partial<LayoutWords> | null = null): LayoutWords {
  const found = lookUpLanguage(layoutLanguages, language);
  const words = (found !== null && catalogue[found]) || english;
  return own === null ? words : { ...words, ...own };
}

/** Whether the catalogue has the words of this language. */
export function hasWords(language: string): boolean {
  return lookUpLanguage(layoutLanguages, language) !== null;
}
