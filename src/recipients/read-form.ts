/** Reads the body of a POST, as a browser or a mailbox provider sends it, within a bound. */
import { readBoundedBody } from '../bounded-body.ts';

/** The fields of a form, or null: the body is too large. */
export async function readForm(request: Request, maxBytes: number): Promise<FormData | null> {
  const bytes = await readBoundedBody(request.bodyUsed ? null : request.body, maxBytes);
  if (bytes === null) return null;
  const type = request.headers.get('content-type') ?? '';
  if (!/^(application\/x-www-form-urlencoded|multipart\/form-data)\b/i.test(type)) return new FormData();
  try {
    return await new Response(bytes, { headers: { 'content-type': type } }).formData();
  } catch {
    // The URL says what a provider's POST is about; its body only confirms it.
    return new FormData();
  }
}
