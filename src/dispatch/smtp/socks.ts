/** SOCKS proxies. Few use one, so the package that speaks to it is an optional peer. */
import type { SocksClientError } from 'socks';
import { optionalPackage } from '../../optional-package.ts';
import type { SmtpSettings } from './smtp-settings.ts';

const load = () => optionalPackage(() => import('socks'), 'socks', 'smtp.proxy');

/** @throws {ConfigurationError} if the proxy is a SOCKS proxy and the package is not installed. */
export async function requireSocks({ proxy }: Pick<SmtpSettings, 'proxy'>): Promise<void> {
  if (proxy !== undefined && /^socks/i.test(proxy)) await load();
}

type Callback = (error: unknown, info?: unknown) => void;

/** What nodemailer takes for the package: it loads the package when a connection needs it. */
export const socksModule = {
  SocksClient: {
    createConnection(options: never, callback: Callback): void {
      load().then(({ SocksClient }) => SocksClient.createConnection(options, callback as never), callback);
    },
  },
};

/** Its errors are the only ones of a connection that come without a code. */
export function isSocksError(error: unknown): error is SocksClientError {
  return error instanceof Error && error.constructor.name === 'SocksClientError';
}
