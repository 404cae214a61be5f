/** The files named in the settings: read when a pool of connections is made, and again when one of them has changed. */
import { createPrivateKey } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ConfigurationError } from '../../errors.ts';
import type { SmtpSettings } from './smtp-settings.ts';

/** The content of the files. */
export interface SmtpFiles {
  readonly password?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly dkimKey?: string;
}

/** @throws {ConfigurationError} if a file cannot be read or has the wrong content; the error never quotes it. */
export function readSmtpFiles({ place, auth, caFile, certFile, keyFile, dkim }: SmtpSettings): SmtpFiles {
  const files = {
    ...(auth?.passwordFile !== undefined && {
      password: read(`${place}.auth.passwordFile`, auth.passwordFile).replace(/\r?\n$/, ''),
    }),
    ...(caFile !== undefined && { ca: read(`${place}.caFile`, caFile) }),
    ...(certFile !== undefined && { cert: read(`${place}.certFile`, certFile) }),
    ...(keyFile !== undefined && { key: read(`${place}.keyFile`, keyFile) }),
  };
  requireMatch(place, files);
  return { ...files, ...(dkim !== undefined && { dkimKey: dkimKeyOf(`${place}.dkim.keyFile`, dkim.keyFile) }) };
}

/** The certificates can be read, and the key belongs to its certificate. */
function requireMatch(place: string, { ca, cert, key }: SmtpFiles): void {
  try {
    createSecureContext({
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    });
  } catch {
    throw new ConfigurationError(
      `${place}.certFile`,
      'is not valid PEM, or the certificate and the key do not belong together',
    );
  }
}

/** Changes whenever one of the files does. */
export function stampOf({ auth, caFile, certFile, keyFile, dkim }: SmtpSettings): string {
  const paths = [auth?.passwordFile, caFile, certFile, keyFile, dkim?.keyFile].filter((path) => path !== undefined);
  return paths
    .map((path) => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat === undefined ? 'none' : `${stat.mtimeMs} ${stat.size} ${stat.ino}`;
    })
    .join();
}

/** nodemailer sends an email unsigned if it cannot sign it, so the key is checked before there is one. */
function dkimKeyOf(setting: string, path: string): string {
  const pem = read(setting, path);
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < 1024)
      throw new Error('key');
    return pem;
  } catch {
    throw new ConfigurationError(
      setting,
      `${path} is not an RSA private key of at least 1024 bits in PEM without a passphrase`,
    );
  }
}

function read(setting: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigurationError(setting, `cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
  }
}
