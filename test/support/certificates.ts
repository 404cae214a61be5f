/** Certificates of the test servers, all for public keys; `certificates/create.sh` makes them anew. */
import { fileURLToPath } from 'node:url';
import { readFileSync } from 'node:fs';

/** `localhost` is in order; the others have one fault each. */
export type CertificateName = 'localhost' | 'expired' | 'other-host' | 'sns';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** The authority that signed them, in PEM: what a client must trust. */
export const testAuthority = read('ca.pem');

export function certificate(name: CertificateName): Certificate {
  return { key: read(`${name}.key`), cert: read(`${name}.pem`) };
}

function read(file: string): string {
  return readFileSync(new URL(`certificates/${file}`, import.meta.url), 'utf8');
}

/** For settings that name files. */
export const certificateFiles = { ca: fileURLToPath(new URL('certificates/ca.pem', import.meta.url)) };
