/** aiosmtpd, Python's SMTP server: logs people in, speaks STARTTLS with any certificate, keeps the bytes it received. */
import { fileURLToPath } from 'node:url';
import type { CertificateName } from './certificates.ts';
import { startDaemon } from './daemons.ts';

export interface AiosmtpdOptions {
  /** A login that is then required; the file is read for every attempt. */
  readonly login?: { readonly user: string; readonly passwordFile: string };
  /** Requires STARTTLS with this certificate. */
  readonly certificate?: CertificateName;
}

interface Mail {
  readonly event: 'mail';
  readonly to: string[];
  readonly tls: boolean;
  readonly user: string | null;
  /** One character per byte. */
  readonly raw: string;
}

type Event =
  | Mail
  | { readonly event: 'login'; readonly good: boolean }
  | { readonly event: 'connection' | 'listening' };

export interface Aiosmtpd {
  readonly port: number;
  readonly mails: () => Mail[];
  readonly logins: () => { good: number; bad: number };
  readonly connections: () => number;
  readonly close: () => Promise<void>;
}

export async function startAiosmtpd({ login, certificate }: AiosmtpdOptions = {}): Promise<Aiosmtpd> {
  const program = fileURLToPath(new URL('aiosmtpd-server.py', import.meta.url));
  const options = {
    ...login,
    ...(certificate && { certificate: fileURLToPath(new URL(`certificates/${certificate}`, import.meta.url)) }),
  };
  const daemon = await startDaemon('/usr/bin/python3', (port) => [program, String(port), JSON.stringify(options)], {
    ready: /"listening"/,
  });
  const events = () =>
    daemon
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Event);
  return {
    port: daemon.port,
    mails: () => events().filter((event) => event.event === 'mail'),
    logins: () => {
      const all = events().filter((event) => event.event === 'login');
      const good = all.filter((event) => event.good).length;
      return { good, bad: all.length - good };
    },
    connections: () => events().filter((event) => event.event === 'connection').length,
    close: daemon.close,
  };
}
