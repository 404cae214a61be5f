/** Values in header fields: what a person typed is shown as it is and becomes no syntax. Pure. */
import type MimeNode from 'nodemailer/lib/mime-node';
import { oneLine } from '../../templates/escape.ts';

/** Bytes of text in one encoded word, which is at most 75 characters long (RFC 2047 section 2). */
const wordBytes = 42;
/** RFC 5322 section 2.1.1: a line has at most 998 characters. Servers break longer ones, which breaks signatures. */
const longestUrl = 900;

/**
 * Makes nodemailer encode names that look like encoded words (RFC 2047 section 7). Otherwise it would write them as
 * they are, and a reader would show what they stand for.
 */
export function encodeLookalikes(root: MimeNode): void {
  const node = root as MimeNode & { _encodeAddressName(name: string): string };
  const encode = node._encodeAddressName.bind(root);
  node._encodeAddressName = (name) => (looksEncoded(name) ? encodedWords(name) : encode(name));
}

/** A subject as the value of a header field. nodemailer encodes only the words that are not ASCII. */
export function subjectHeader(subject: string) {
  return looksEncoded(subject) ? { prepared: true, foldLines: true, value: encodedWords(subject) } : subject;
}

/** The name of a file. Some programs decode encoded words in file names, although they must not. */
export function fileName(name: string): string {
  return withoutBidi(oneLine(name)).replaceAll('=?', '=_');
}

/** A name in an address field, without characters that reorder the text around it. */
export function displayName(name: string): string {
  return withoutBidi(oneLine(name)).trim();
}

/**
 * List-Unsubscribe in ASCII on one line (RFC 2369), or null if that is not possible: an encoded word would not be a
 * URL, and one-click unsubscription needs https (RFC 8058, section 3.1).
 */
export function unsubscribeHeader(unsubscribeUrl: string) {
  const url = URL.parse(unsubscribeUrl);
  if (url?.protocol !== 'https:' || url.href.length > longestUrl) return null;
  return { prepared: true, value: `<${url.href}>` };
}

function looksEncoded(text: string): boolean {
  return text.includes('=?');
}

function encodedWords(text: string): string {
  const words: string[] = [];
  let part = '';
  for (const character of text.toWellFormed()) {
    if (Buffer.byteLength(part + character) > wordBytes) {
      words.push(part);
      part = '';
    }
    part += character;
  }
  return [...words, part].map((word) => `=?UTF-8?B?${Buffer.from(word).toString('base64')}?=`).join(' ');
}

function withoutBidi(text: string): string {
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');
}
