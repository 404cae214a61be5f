/**
 * The links of a message to its recipient's pages. They are a function of the message and the key, so that enqueue does
 * nothing for them and every retry has the same bytes.
 */
import { isLoopback } from '../dispatch/egress/ip-address.ts';
import { ConfigurationError } from '../errors.ts';
import type { Action } from '../vocabulary.ts';
import { languageOf, wordsIn } from './page-language.ts';
import { createTokenBox, type TokenBox } from './token.ts';

/** Where the pages of recipients are, and the keys that seal the links to them. */
export interface LinkOptions {
  /**
   * Public URL under which the server mounts `createRecipientPages`, for example `https://app.example/mail`. https: on
   * any host; http: on loopback only, and then emails have the link, but no `List-Unsubscribe` header.
   */
  readonly url: string;
  /**
   * At least one; each is the base64 text of 32 random bytes (`openssl rand -base64 32`). The first one seals, all of
   * them open. Keep a retired key as long as the emails that were sent with it: their links need it.
   */
  readonly keys: readonly string[];
}

/** What the links of a message depend on. */
export interface LinkedMessage {
  readonly recipient: { readonly id: string };
  readonly tenant: string | null;
  readonly template: string;
  readonly method: string;
  /** Recipients cannot opt out of the template, so its messages have no links to do so. */
  readonly mandatory: boolean;
  /** The same for all messages of one enqueue call. */
  readonly notificationId: string;
  /** Whether a later step of the notification waits for its acknowledgement. */
  readonly acknowledgeable: boolean;
}

/** The links of one message; null where it has none. */
export interface MessageLinks {
  /** Unsubscribes with one POST (RFC 8058); a GET shows a page. */
  readonly unsubscribeUrl: string | null;
  /** The page on which the recipient chooses what to receive. */
  readonly preferencesUrl: string | null;
  /** Acknowledges the notification with one POST; a GET shows a page. */
  readonly acknowledgeUrl: string | null;
}

/** Makes links. See `createLinks`. */
export interface Links {
  /** The links of a message. Pure: the same message always has the same links. */
  linksOf(message: LinkedMessage): MessageLinks;
}

/** The options, checked. */
export interface ParsedLinks {
  /** Without a trailing slash. */
  readonly url: string;
  readonly box: TokenBox;
}

/** @throws {ConfigurationError} if an option is missing or wrong. */
export function createLinks(options: LinkOptions): Links {
  const { url, box } = parseLinks(options);
  return {
    linksOf({ recipient, tenant, template, method, mandatory, notificationId, acknowledgeable }) {
      const person = { recipientId: recipient.id, tenant };
      const acknowledge = () => `${url}/a/${box.seal('acknowledge', { ...person, notificationId })}`;
      const acknowledgeUrl = acknowledgeable ? acknowledge() : null;
      if (mandatory) return { unsubscribeUrl: null, preferencesUrl: null, acknowledgeUrl };
      return {
        unsubscribeUrl: `${url}/u/${box.seal('unsubscribe', { ...person, template, method })}`,
        preferencesUrl: `${url}/p/${box.seal('preferences', person)}`,
        acknowledgeUrl,
      };
    },
  };
}

/** The button that acknowledges a message, in the recipient's language; none without a link. */
export function acknowledgeActions(acknowledgeUrl: string | null, locale: string | undefined): readonly Action[] {
  if (acknowledgeUrl === null) return [];
  return [{ label: wordsIn(languageOf(locale ?? null)).acknowledge, url: acknowledgeUrl }];
}

const optionNames = { url: 'links.url', keys: 'links.keys' };

/**
 * @param names of the settings, for errors.
 * @throws {ConfigurationError} if an option is missing or wrong.
 */
export function parseLinks(options: LinkOptions, names = optionNames): ParsedLinks {
  if (typeof options !== 'object' || options === null || !Array.isArray(options.keys))
    throw new ConfigurationError('links', 'must have a url and an array of keys');
  return { url: urlOf(options.url, names.url), box: createTokenBox(options.keys, names.keys) };
}

/** Longest URL, in characters: with a token it must fit on one line of a header (RFC 5322, section 2.1.1). */
const maxUrlLength = 200;

function urlOf(given: unknown, setting: string): string {
  const url = typeof given === 'string' ? URL.parse(given) : null;
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '')
    throw new ConfigurationError(setting, `${shown(given)} is not a URL such as https://app.example/mail`);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname)))
    throw new ConfigurationError(setting, `${shown(given)} must begin with https:// (http:// only on this machine)`);
  const text = url.href.replace(/\/+$/, '');
  if (text.length > maxUrlLength) throw new ConfigurationError(setting, `is longer than ${maxUrlLength} characters`);
  return text;
}

/** A URL may hold a password, so it is shown without what is before the host. */
function shown(given: unknown): string {
  return JSON.stringify(
    String(given)
      .replace(/\/\/[^/@]*@/, '//')
      .slice(0, 200),
  );
}
