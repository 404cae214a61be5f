/**
 * nodemailer's tree of parts as the bytes of an email. nodemailer passes every part through a chain of streams, which
 * costs more than the rest of the work; our texts are in memory already.
 */
import { encode as encodeBase64, wrap as wrapBase64 } from 'nodemailer/lib/base64';
import type MimeNode from 'nodemailer/lib/mime-node';
import { encode as encodeQuoted, wrap as wrapQuoted } from 'nodemailer/lib/qp';

/** @param root of an email whose parts are strings. Lines end in CRLF, also where a text had a bare carriage return. */
export function serializeMime(root: MimeNode): Buffer {
  const mail = partOf(root);
  return Buffer.from(mail.endsWith('\n') ? mail : `${mail}\r\n`);
}

function partOf(node: MimeNode): string {
  // Sets `multipart` and `boundary` as well.
  const head = `${node.buildHeaders()}\r\n\r\n`;
  if (!node.multipart) return head + contentOf(node);
  const delimiter = `--${node.boundary || ''}`;
  return `${head}${node.childNodes.map((child) => `${delimiter}\r\n${partOf(child)}\r\n`).join('')}${delimiter}--\r\n`;
}

function contentOf(node: MimeNode): string {
  const { content = '' } = node;
  if (typeof content !== 'string') throw new TypeError('a part of the email is not text');
  const text = content.replace(/\r\n|\r|\n/g, '\r\n');
  switch (node.getTransferEncoding()) {
    case 'base64':
      return wrapBase64(encodeBase64(text), 76);
    case 'quoted-printable':
      return wrapQuoted(encodeQuoted(text), 76);
    default:
      return text;
  }
}
