/** The receiver's words, made fit to be stored: receivers echo what they were sent. Pure. */
import type { Delivery } from '../dispatcher.ts';
import type { Endpoint } from './endpoint.ts';

const maxLength = 512;
/** Shorter values would blot out ordinary words. */
const minSecretLength = 4;

/** One line of at most 512 characters without URLs, addresses, or anything of the endpoint or the message. */
export function redactReply(text: string, endpoint: Endpoint, delivery: Delivery): string {
  const url = new URL(endpoint.url);
  const pieces = [
    ...endpoint.secrets,
    ...Object.values(endpoint.headers),
    ...url.pathname.split('/'),
    ...url.searchParams.values(),
    ...Object.values(delivery.labels),
    ...[delivery.recipient.name, delivery.content.title, delivery.content.text].filter((piece) => piece !== undefined),
  ].filter((piece) => piece.length >= minSecretLength);
  // Longest first: one value may be a part of another.
  const known = pieces
    .sort((a, b) => b.length - a.length)
    .reduce((rest, piece) => rest.replaceAll(piece, '[...]'), text);
  return known
    .replace(/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi, '[url]')
    .replace(/[^\s"'<>@]+@[^\s"'<>@]+/g, '[address]')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, maxLength);
}
