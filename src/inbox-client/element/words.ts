/** What the element says, and in which language. */
import { translations } from './translations.ts';

/** What the element says. `{n}` stands for a number, `{title}` for the title of an item. */
export interface InboxWords {
  /** The heading, and what the bell is called. */
  readonly notifications: string;
  /** How many are unread. */
  readonly unread: string;
  /** What marks an unread item for screen readers. */
  readonly isUnread: string;
  /** The button that marks all as read. */
  readonly markAll: string;
  /** Said after that. */
  readonly allRead: string;
  /** The button that marks one item as read. */
  readonly markRead: string;
  /** The button that marks one item as unread. */
  readonly markUnread: string;
  /** The button that archives an item. */
  readonly archive: string;
  /** Said after that. */
  readonly archived: string;
  /** The button that shows the whole of a long text. */
  readonly showAll: string;
  /** The button that loads older items. */
  readonly more: string;
  /** The button that closes the list. */
  readonly close: string;
  /** Shown until the first list is here. */
  readonly loading: string;
  /** Shown if there is no item. */
  readonly empty: string;
  /** Shown if the list cannot be loaded. */
  readonly failed: string;
  /** The button that tries again. */
  readonly retry: string;
  /** Shown if the server refuses this person. */
  readonly signedOut: string;
  /** Shown while changes do not arrive. */
  readonly offline: string;
  /** Shown if the server did not do what was asked. */
  readonly notDone: string;
  /** Said when an item arrives. */
  readonly arrived: string;
}

/** In the order of the translations. */
const names = [
  'notifications',
  'unread',
  'isUnread',
  'markAll',
  'allRead',
  'markRead',
  'markUnread',
  'archive',
  'archived',
  'showAll',
  'more',
  'close',
  'loading',
  'empty',
  'failed',
  'retry',
  'signedOut',
  'offline',
  'notDone',
  'arrived',
] as const satisfies readonly (keyof InboxWords)[];

/** The languages that the element speaks. */
export const inboxLanguages: readonly string[] = Object.keys(translations);

/** The language that is spoken for a BCP 47 tag, English if there is none for it, and its words. */
export function inboxWords(tag: string): { readonly language: string; readonly words: InboxWords } {
  const { language: base, script } = maximized(tag);
  const language = [`${base}-${script}`, base].find((each) => each in translations) ?? 'en';
  const lines = (translations[language] ?? '').split('\n');
  const words = Object.fromEntries(names.map((name, index) => [name, lines[index] ?? ''])) as unknown as InboxWords;
  return { language, words };
}

/** Whether a language is written from right to left. */
export function isRightToLeft(language: string): boolean {
  return language === 'ar' || language === 'he';
}

function maximized(tag: string): { readonly language: string; readonly script?: string | undefined } {
  try {
    return new Intl.Locale(tag).maximize();
  } catch {
    return { language: 'en' };
  }
}
