/**
 * What a server wrote, without what a stranger can make it write: servers repeat addresses, domains, subjects and
 * links. All of that is removed before any rule looks at a reply. Pure, and linear in the length of the reply, of which
 * only the first 1,024 characters are read.
 */
import { type KnownTexts, redactKnown } from '../redact.ts';

/** A reply that rules may look at, and that may be stored and shown. */
export interface NormalisedReply {
  /** Three digits, if the first line begins with them. */
  readonly code?: string;
  /** RFC 3463 code, if it follows the reply code and its class does not contradict it. */
  readonly enhanced?: string;
  /** One line for people: at most 400 characters, without addresses, links, secrets, and what our message said. */
  readonly text: string;
  /**
   * The words that two replies with the same cause have in common. Ids, numbers and host names are replaced by `#`, and
   * what the message said by `*`, which stands for any words.
   */
  readonly words: readonly string[];
}

/** The parts of a reply that are compared. */
export type ComparableReply = Pick<NormalisedReply, 'code' | 'enhanced' | 'words'>;

const readCharacters = 1024;
const textCharacters = 400;
const mostWords = 80;
/** What `redactKnown` puts in place of a known text. */
const removed = '[...]';
/** Texts that are too short for `redactKnown` are removed where they are a word of their own. */
const shortText = 4;

/** Normalises a reply of one or several lines. `known` is what the message says, and what we log in with. */
export function normaliseReply(reply: string, known: KnownTexts): NormalisedReply {
  const lines = reply
    .slice(0, readCharacters)
    .split(/\r?\n/)
    .map((line) => line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, ' '));
  const code = /^\d{3}(?=[ -]|$)/.exec(lines[0] ?? '')?.[0];
  const said = lines.map((line) => line.replace(/^\d{3}(?:[ -]|$)/, '')).join(' ');
  const tokens = tokensOf(said, known);
  const enhanced = /^[245]\.\d{1,3}\.\d{1,3}$/.exec(tokens[0] ?? '')?.[0];
  return {
    ...(code !== undefined && { code }),
    ...(enhanced !== undefined && enhanced[0] === code?.[0] && { enhanced }),
    text: textOf(code, tokens),
    words: wordsOf(tokens),
  };
}

function tokensOf(said: string, known: KnownTexts): string[] {
  const tokens = redactKnown(withoutAddresses(said), known).split(/\s+/);
  return removeShort(tokens, known.texts).filter((token) => token !== '');
}

/** One line for people; of removed texts in a row one mark is kept. */
function textOf(code: string | undefined, tokens: readonly string[]): string {
  return [code, ...tokens.map(readable)]
    .filter((part, i, all) => part !== undefined && (part !== removed || all[i - 1] !== part))
    .join(' ')
    .slice(0, textCharacters)
    .toWellFormed();
}

/**
 * Whether two replies have the same code, enhanced code and words. `*` on either side stands for any words, so that a
 * label that happens to be a word of the server does not make a reply differ from the others.
 */
export function isSameReply(a: ComparableReply, b: ComparableReply): boolean {
  return a.code === b.code && a.enhanced === b.enhanced && matches(a.words, b.words);
}

/** At most `mostWords` times `mostWords` steps. */
function matches(a: readonly string[], b: readonly string[]): boolean {
  // reachable[j]: the words of `a` so far can stand for the first j words of `b`.
  let reachable = [true];
  for (const word of b) reachable.push(reachable.at(-1) === true && word === '*');
  for (const word of a) {
    const next = [reachable[0] === true && word === '*'];
    for (const [j, other] of b.entries())
      next.push(
        word === '*' || other === '*'
          ? reachable[j] === true || reachable[j + 1] === true || next[j] === true
          : reachable[j] === true && word === other,
      );
    reachable = next;
  }
  return reachable.at(-1) === true;
}

/** Word by word: a pattern over the whole text would be slow on a long word without an address. */
function withoutAddresses(text: string): string {
  return text
    .split(' ')
    .map((word) => (word.includes('@') ? word.replace(/<?[^\s<>"]+@[^\s<>",;:]+>?/g, '<address>') : word))
    .join(' ');
}

function removeShort(tokens: readonly string[], texts: readonly string[]): string[] {
  const short = new Set(texts.map((text) => text.trim().toLowerCase()).filter((text) => text.length < shortText));
  return tokens.map((token) => (short.has(withoutPunctuation(token).toLowerCase()) ? removed : token));
}

/** A word without the punctuation around it. */
function withoutPunctuation(token: string): string {
  return token
    .slice(0, 64)
    .replace(/^[^\p{L}\p{N}@]+/u, '')
    .replace(/[^\p{L}\p{N}]+$/u, '');
}

/** What people see of a word. */
function readable(token: string): string {
  if (token.includes('@')) return '<address>';
  if (token.includes('://') || /^www\./i.test(token)) return '<link>';
  return token.includes(removed) || looksEncoded(token) ? removed : token;
}

/** A token, key or other base64. Ids of email servers are shorter, or contain punctuation. */
function looksEncoded(token: string): boolean {
  return token.length >= 20 && /^[\w+/=~-]+$/.test(token) && /\d/.test(token) && /[a-z]/i.test(token);
}

function wordsOf(tokens: readonly string[]): string[] {
  const words = tokens.slice(0, mostWords).map(wordOf);
  return words.filter((word, i) => word !== '' && !((word === '#' || word === '*') && words[i - 1] === word));
}

function wordOf(token: string): string {
  if (token.includes(removed)) return '*';
  const word = withoutPunctuation(token);
  const varies = /[\d@]|[\p{L}\p{N}][.:/_=][\p{L}\p{N}]|\p{Ll}\p{Lu}/u.test(word) || word.length > 24;
  return varies ? '#' : word.toLowerCase();
}
