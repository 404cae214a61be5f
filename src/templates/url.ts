/** Puts URLs together so that a value can fill a place in one, but never choose where it leads. */
import { oneLine } from './escape.ts';
import { type Inserted, type Piece, RenderError } from './evaluate.ts';

/** Longest URL that mail programs and proxies take without harm. */
export const maximumUrl = 4096;

/**
 * A URL from its pieces: absolute, `https:`, `http:` or `mailto:`, without credentials. A whole URL (`baseUrl`, or the
 * helper `url`) may only stand first; any other value is percent-encoded and must follow the host.
 *
 * @throws {RenderError} without quoting a value.
 */
export function composeUrl(pieces: readonly Piece[]): string {
  const [first = '', ...rest] = pieces.filter((piece) => typeof piece !== 'string' || piece !== '');
  const start = typeof first === 'string' ? first.trimStart() : wholeUrl(first);
  const next = rest[0];
  if (next !== undefined) requireHostEnd(start, first, next);
  // A base URL is configured without a trailing slash; one that has it must not give two.
  const head = typeof next === 'string' && next.startsWith('/') && start.endsWith('/') ? start.slice(0, -1) : start;
  return checkedUrl(rest.reduce<string>((url, piece) => url + encoded(piece), head));
}

function wholeUrl(first: Inserted): string {
  if (first.as === 'url') return checkedUrl(first.text.trim());
  throw new RenderError('a URL cannot start with a label; start it with {{baseUrl}}, https:// or {{url ...}}');
}

function requireHostEnd(start: string, first: Piece, next: Piece): void {
  const afterWhole = typeof first !== 'string' && typeof next === 'string' && /^[/?#]/.test(next);
  const afterHost = /^https?:\/\/[^/?#]+[/?#]|^mailto:/i.test(start);
  if (typeof first === 'string' ? !afterHost : !afterWhole) {
    throw new RenderError('a value stands where the host of the URL is; put "/", "?" or "#" between them');
  }
}

/** One value within a URL: encoded so that it stays inside its path segment or parameter. */
export function encodeUrlPart(value: string): string {
  const line = oneLine(value);
  // "." and ".." climb the path even when percent-encoded once.
  if (line === '.' || line === '..') return line.replaceAll('.', '%252E');
  return encodeURIComponent(line).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function encoded(piece: Piece): string {
  return typeof piece === 'string' ? piece : encodeUrlPart(piece.text);
}

function checkedUrl(written: string): string {
  const url = URL.parse(written);
  if (!url) throw new RenderError('this is not an absolute URL');
  if (url.protocol !== 'https:' && url.protocol !== 'http:' && url.protocol !== 'mailto:') {
    throw new RenderError('only https:, http: and mailto: URLs are allowed');
  }
  if (url.username !== '' || url.password !== '') throw new RenderError('a URL must not hold a user or password');
  if (url.href.length > maximumUrl) throw new RenderError(`the URL is longer than ${maximumUrl} characters`);
  return url.href;
}
