/** Composes URLs so that a value can fill a part of one but never choose its host. */
import { oneLine } from './escape.ts';
import { type InsertedValue, type Chunk, RenderError } from './evaluate.ts';

/** Longest URL in characters that email programs and proxies accept. */
export const maximumUrl = 4096;

/**
 * Composes a URL: absolute, `https:`, `http:` or `mailto:`, without credentials. A whole URL (`baseUrl`, or the helper
 * `url`) may only stand first; any other value is percent-encoded and must stand after the host.
 *
 * @throws {RenderError} if the result is not such a URL. The error never quotes a value.
 */
export function composeUrl(chunks: readonly Chunk[]): string {
  const [first = '', ...rest] = chunks.filter((chunk) => typeof chunk !== 'string' || chunk !== '');
  const start = typeof first === 'string' ? first.trimStart() : wholeUrl(first);
  const next = rest[0];
  if (next !== undefined) requireHostEnd(start, first, next);
  // A configured base URL may end in a slash; the path must not begin with two.
  const head = typeof next === 'string' && next.startsWith('/') && start.endsWith('/') ? start.slice(0, -1) : start;
  return checkedUrl(rest.reduce<string>((url, chunk) => url + encoded(chunk), head));
}

function wholeUrl(first: InsertedValue): string {
  if (first.as === 'url') return checkedUrl(first.text.trim());
  throw new RenderError('a URL cannot start with a label; start it with {{baseUrl}}, https:// or {{url ...}}');
}

function requireHostEnd(start: string, first: Chunk, next: Chunk): void {
  const afterWhole = typeof first !== 'string' && typeof next === 'string' && /^[/?#]/.test(next);
  const afterHost = /^https?:\/\/[^/?#]+[/?#]|^mailto:/i.test(start);
  if (typeof first === 'string' ? !afterHost : !afterWhole) {
    throw new RenderError('a value stands where the host of the URL is; put "/", "?" or "#" between them');
  }
}

/** Encodes one value so that it stays inside its path segment or parameter. */
function encodeUrlPart(value: string): string {
  const line = oneLine(value);
  // "." and ".." climb the path even when percent-encoded once.
  if (line === '.' || line === '..') return line.replaceAll('.', '%252E');
  return encodeURIComponent(line).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Encodes each segment of a path. Empty ones are left out, so that the value cannot begin with a host. */
function encodePath(value: string): string {
  return value
    .split('/')
    .filter((segment) => segment !== '')
    .map(encodeUrlPart)
    .join('/');
}

/** Encodes a value for the place in a URL that its helper names. */
export function encodeInUrl({ text, as }: InsertedValue): string {
  return as === 'path' ? encodePath(text) : encodeUrlPart(text);
}

function encoded(chunk: Chunk): string {
  return typeof chunk === 'string' ? chunk : encodeInUrl(chunk);
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
