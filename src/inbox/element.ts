/** `GET element.js`: the web component, for pages without a bundler. The same for everybody, so nobody is asked. */
import { createHash } from 'node:crypto';
import { elementFile } from './element-file.ts';

/** The path below that of the inbox. */
export const elementPath = '/element.js';

interface ServedFile {
  readonly text: string;
  readonly etag: string;
}

/** Returns what answers requests of the file. */
export function createElementRoute(): (request: Request) => Promise<Response> {
  let file: Promise<ServedFile> | undefined;
  return async (request) => {
    file ??= readFile();
    const { text, etag } = await file;
    // A page asks each time whether it has changed, so that an upgrade reaches every page at once.
    const headers = {
      'Content-Type': 'text/javascript; charset=utf-8',
      'Cache-Control': 'no-cache',
      'X-Content-Type-Options': 'nosniff',
      ETag: etag,
    };
    if (request.headers.get('if-none-match')?.includes(etag)) return new Response(null, { status: 304, headers });
    return new Response(request.method === 'HEAD' ? null : text, { headers });
  };
}

async function readFile(): Promise<ServedFile> {
  const text = await elementFile();
  return { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 20)}"` };
}
