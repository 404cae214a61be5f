/** Reads the body of a POST, as a browser or a mailbox provider sends it, within a bound. */

/** The fields of a form, or null: the body is too large. */
export async function readForm(request: Request, maxBytes: number): Promise<FormData | null> {
  const bytes = await readBody(request, maxBytes);
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

async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (request.body === null || request.bodyUsed) return new Uint8Array();
  for await (const chunk of request.body as ReadableStream<Uint8Array>) {
    size += chunk.byteLength;
    if (size > maxBytes) return null;
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
