/** Takes a captured email apart: its texts, header fields and files. */

/** A file of an email. */
export interface EmailFile {
  readonly name: string;
  readonly type: string;
  readonly contentId: string | null;
  readonly content: Uint8Array;
}

/** An email as an email program shows it. */
export interface ParsedEmail {
  readonly html: string | null;
  readonly text: string | null;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly files: readonly EmailFile[];
}

/** Parses any email: what is malformed is read as far as it goes. The parser is loaded when it is first needed. */
export async function parseEmail(raw: Uint8Array): Promise<ParsedEmail> {
  const { default: PostalMime, decodeWords } = await import('postal-mime');
  const { html, text, headers, attachments } = await PostalMime.parse(raw);
  return {
    html: html ?? null,
    text: text ?? null,
    headers: headers.map(({ key, originalKey, value }) => ({ name: originalKey ?? key, value: decodeWords(value) })),
    files: attachments.map(({ filename, mimeType, contentId, content }, index) => ({
      name: filename ?? `part-${index + 1}`,
      type: mimeType,
      contentId: contentId?.replace(/^<|>$/g, '') ?? null,
      content: typeof content === 'string' ? Buffer.from(content) : new Uint8Array(content),
    })),
  };
}

/** Larger images are not shown in their email. In bytes. */
const maxImageBytes = 2_000_000;

/** The HTML with the images that it takes from its own files. A frame loads nothing else. */
export function withImages(html: string, files: readonly EmailFile[]): string {
  return html.replace(/\bcid:([^"'\s)>]+)/gi, (address, id: string) => {
    const file = files.find(({ contentId }) => contentId === id);
    if (file === undefined || !file.type.startsWith('image/') || file.content.byteLength > maxImageBytes)
      return address;
    return `data:${file.type.replace(/[^\w/+.-]/g, '')};base64,${Buffer.from(file.content).toString('base64')}`;
  });
}
