/** Reads the body of a request or response within a bound. It counts the bytes: a length may be missing or wrong. */

/** Returns the bytes of a body, none if there is no body, or null if there are more than `maxBytes`. */
export async function readBoundedBody(
  body: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<Buffer<ArrayBuffer> | null> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
