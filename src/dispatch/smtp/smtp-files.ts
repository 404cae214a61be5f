/** The files that settings name: read when a connection pool is made, and again when one of them has changed. */
import { createPrivateKey } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ConfigurationError } from '../../errors.ts';
import type { SmtpSettings } from './smtp-options.ts';

/** What the files hold. */
export interface SmtpFiles {
  readonly password?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly dkimKey?: string;
}

/** @throws {ConfigurationError} for a file that cannot be read or holds something else; never with its content. */
export function readSmtpFiles({ place, auth, caFile, certFile, keyFile, dkim }: SmtpSettings): SmtpFiles {
  const files = {
    ...(auth?.passwordFile !== undefined && {
      password: read(`${place}.auth.passwordFile`, auth.passwordFile).replace(/\r?\n$/, ''),
    }),
    ...(caFile !== undefined && { ca: read(`${place}.caFile`, caFile) }),
    ...(certFile !== undefined && { cert: read(`${place}.certFile`, certFile) }),
    ...(keyFile !== undefined && { key: read(`${place}.keyFile`, keyFile) }),
  };
  const { ca, cert, key } = files;
  try {
    createSecureContext({
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    });
  } catch {
    throw new ConfigurationError(
      `${place}.certFile`,
      'holds no valid PEM, or a certificate and a key that are no pair',
    );
  }
  return { ...files, ...(dkim !== undefined && { dkimKey: dkimKeyOf(`${place}.dkim.keyFile`, dkim.keyFile) }) };
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

/** nodemailer sends a mail unsigned when it cannot sign it, so the key is proved before there is a mail. */
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
      `${path} holds no RSA private key of 1024 bits or more in PEM, without a passphrase`,
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
