/**
 * Removes what must not be stored from what a receiver says. Receivers repeat what they were sent, escaped or encoded
 * in some way, and often in part. Pure, and bounded: a text of up to 2 KB against any number of known texts.
 */
import { canonicalText, traceCanonicalText, type TracedText } from './canonical-text.ts';

/** What the receiver was sent. */
export interface KnownTexts {
  /** Credentials and secret labels. Every form is removed, and every part of at least eight letters and digits. */
  readonly secrets: readonly string[];
  /** What the message says. Values of at least four letters and digits are removed, and parts of at least sixteen. */
  readonly texts: readonly string[];
}

const mark = '[...]';
const secretPart = 8;
const textPart = 16;
/** Shorter values would remove ordinary words. */
const minLength = 4;
/** Comparisons of parts; a text that needs more was made to. */
const maxComparisons = 200_000;

/**
 * Returns the text with `[...]` in place of everything known. A text that costs too much to compare is removed as a
 * whole.
 */
export function redactKnown(text: string, { secrets, texts }: KnownTexts): string {
  const traced = traceCanonicalText(text);
  const found = new Uint8Array(text.length);
  const search = createSearch(traced, (from, to) => found.fill(1, traced.starts[from], traced.ends[to - 1]));
  const isAlone = (from: number, to: number) => standsAlone(text, traced, from, to);
  for (const secret of new Set(secrets)) {
    markLiteral(text, secret.trim(), found);
    for (const form of formsOf(secret)) searchSecret(form, search, isAlone);
  }
  for (const each of new Set(texts)) {
    if (each.length < minLength) continue;
    const form = canonicalText(each);
    const spaces = countSpaces(each);
    if (form.length >= textPart) search.parts(form, textPart);
    else if (form.length >= minLength)
      // "note" is not in "not even": letters that are next to each other only without the spaces between them.
      search.whole(form, (from, to) => countSpaces(text.slice(traced.starts[from], traced.ends[to - 1])) <= spaces);
  }
  return search.exhausted() ? mark : replaceMarked(text, found);
}

/** A short form is removed only where it stands alone. */
function searchSecret(form: string, search: Search, isAlone: (from: number, to: number) => boolean): void {
  if (form.length >= secretPart) search.parts(form, secretPart);
  else search.whole(form, (from, to) => form.length >= minLength || isAlone(from, to));
}

interface Search {
  /** Marks every place of the whole form that `accept` accepts. */
  whole(form: string, accept: (from: number, to: number) => boolean): void;
  /** Marks every common part of at least `length` characters, and the whole form. */
  parts(form: string, length: number): void;
  exhausted(): boolean;
}

/** Every common part of n characters contains one of n/2 characters that starts at a multiple of n/2 in the form. */
function createSearch({ text }: TracedText, markRange: (from: number, to: number) => void): Search {
  const indexes = new Map<number, ReadonlyMap<string, readonly number[]>>();
  let comparisons = 0;

  function indexOf(length: number): ReadonlyMap<string, readonly number[]> {
    const known = indexes.get(length);
    if (known) return known;
    const index = new Map<string, number[]>();
    for (let at = 0; at + length <= text.length; at += 1) {
      const gram = text.slice(at, at + length);
      const positions = index.get(gram);
      if (positions) positions.push(at);
      else index.set(gram, [at]);
    }
    indexes.set(length, index);
    return index;
  }

  function markCommon(form: string, inForm: number, inText: number, length: number): void {
    let from = 0;
    while (inText > from && inForm > from && text[inText - from - 1] === form[inForm - from - 1]) from += 1;
    let to = 0;
    while (inForm + to < form.length && inText + to < text.length && text[inText + to] === form[inForm + to]) to += 1;
    comparisons += from + to;
    if (from + to >= length) markRange(inText - from, inText + to);
  }

  return {
    whole(form, accept) {
      if (form === '') return;
      for (const at of indexOf(form.length).get(form) ?? [])
        if (accept(at, at + form.length)) markRange(at, at + form.length);
    },
    parts(form, length) {
      const gram = length / 2;
      const index = indexOf(gram);
      for (let at = 0; at + gram <= form.length && comparisons <= maxComparisons; at += gram)
        for (const place of index.get(form.slice(at, at + gram)) ?? []) markCommon(form, at, place, length);
    },
    exhausted: () => comparisons > maxComparisons,
  };
}

/** A secret without letters and digits has no canonical form. */
function markLiteral(text: string, secret: string, found: Uint8Array): void {
  if (secret === '') return;
  if (secret.length < minLength && canonicalText(secret) !== '') return;
  for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1)) found.fill(1, at, at + secret.length);
}

/** A secret, and what it is in base64, in hexadecimal, as a list of bytes, and in quoted-printable. */
function formsOf(secret: string): Set<string> {
  const bytes = Buffer.from(secret);
  const quoted = secret.replace(/[^\p{L}\p{N}]/gu, (character) => Buffer.from(character).toString('hex'));
  const encoded =
    secret.length < minLength ? [] : [...base64Forms(secret), bytes.toString('hex'), [...bytes].join(' '), quoted];
  return new Set([secret, ...encoded].map(canonicalText).filter((form) => form !== ''));
}

/**
 * A text has three forms in base64, by its place in what is encoded. Characters that depend on its neighbours are
 * left out.
 */
function base64Forms(secret: string): string[] {
  return [0, 1, 2].map((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]);
    return bytes.toString('base64').slice(Math.ceil((offset * 8) / 6), Math.floor((bytes.length * 8) / 6));
  });
}

function standsAlone(text: string, { starts, ends }: TracedText, from: number, to: number): boolean {
  const before = text.slice(0, starts[from]).at(-1) ?? '';
  const after = text[ends[to - 1] ?? text.length] ?? '';
  return !/[\p{L}\p{N}]/u.test(before + after);
}

function countSpaces(text: string): number {
  return text.match(/\s+/g)?.length ?? 0;
}

function replaceMarked(text: string, found: Uint8Array): string {
  let result = '';
  for (let at = 0; at < text.length; at += 1) {
    if (found[at] === 0) result += text[at];
    else if (at === 0 || found[at - 1] === 0) result += mark;
  }
  return result;
}
