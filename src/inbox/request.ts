/** What a request asks, checked: its parameters, its body, and that a page of the application's own sent it. */
import type * as v from 'valibot';
import { readBoundedBody } from '../bounded-body.ts';
import { checked } from './input.ts';
import { Refusal } from './refusal.ts';

/** Largest body of a write, in bytes: 1,000 ids take 40 KB. */
const maxBodyBytes = 64 * 1024;

/** @throws {InvalidNotificationError} if a parameter is wrong, unknown, or given twice. */
export function parametersOf<Schema extends v.GenericSchema>(request: Request, schema: Schema): v.InferOutput<Schema> {
  const given = [...new URL(request.url).searchParams];
  const names = given.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Refusal(400, 'invalid', `a parameter is given twice`);
  return checked(schema, Object.fromEntries(given));
}

/**
 * Reads the body of a write.
 *
 * @throws {Refusal} if it is not JSON, is too large, or comes from a page of another site.
 */
export async function bodyOf<Schema extends v.GenericSchema>(
  request: Request,
  schema: Schema,
  ownOrigin: string,
): Promise<v.InferOutput<Schema>> {
  requireOwnOrigin(request, ownOrigin);
  if (!/^application\/json\s*(;|$)/i.test(request.headers.get('content-type') ?? ''))
    throw new Refusal(415, 'not_json', 'send the body as application/json');
  const text = await readText(request);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal(400, 'invalid', 'the body is not valid JSON');
  }
  return checked(schema, value);
}

async function readText(request: Request): Promise<string> {
  const bytes = await readBoundedBody(request.body, maxBodyBytes);
  if (bytes === null) throw new Refusal(413, 'too_large', `send at most ${maxBodyBytes / 1024} KB`);
  return bytes.toString();
}

/**
 * Browsers name the site that a request comes from in Sec-Fetch-Site, which no page can forge. Those that do not (old
 * ones, plain http) name its origin in Origin: it must be the requested host or the application's public address.
 */
function requireOwnOrigin({ headers, url }: Request, ownOrigin: string): void {
  const site = headers.get('sec-fetch-site');
  if (site === 'same-origin') return;
  const origin = headers.get('origin');
  const host = headers.get('host') ?? new URL(url).host;
  const isOwn = origin !== null && URL.canParse(origin) && (origin === ownOrigin || new URL(origin).host === host);
  if (site === null && isOwn) return;
  throw new Refusal(403, 'foreign_origin', 'writes must come from a page of this application, with its Origin');
}
