/** nodemailer's connections to one relay, with the files that its settings name. */
import nodemailer from 'nodemailer';
import * as socks from 'socks';
import type { SmtpFailure } from './classify.ts';
import { readSmtpFiles, type SmtpFiles, stampOf } from './files.ts';
import type { SmtpSettings } from './options.ts';
import { trackStream } from './stream.ts';

export type Transport = ReturnType<typeof createTransport>;

/** How often the files are looked at. */
const lookMs = 1000;

/** The pool of connections; a new one when a file has changed. What is under way ends on the old one. */
export function createRelay(settings: SmtpSettings) {
  let current: { readonly transport: Transport; readonly stamp: string } | null = null;
  let lookedAt = 0;
  return {
    /** @throws {ConfigurationError} */
    transport(): Transport {
      const now = performance.now();
      if (current !== null && now - lookedAt < lookMs) return current.transport;
      lookedAt = now;
      const stamp = stampOf(settings);
      if (current?.stamp === stamp) return current.transport;
      const before = current;
      current = null;
      before?.transport.close();
      current = { transport: createTransport(settings, readSmtpFiles(settings)), stamp };
      return current.transport;
    },
    close: () => current?.transport.close(),
  };
}

function createTransport(settings: SmtpSettings, files: SmtpFiles) {
  const { tls, auth, servername, dkim } = settings;
  const { ca, cert, key, dkimKey } = files;
  const transport = nodemailer.createTransport({
    pool: true,
    host: settings.host,
    port: settings.port,
    name: settings.ehloName,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    tls: {
      minVersion: settings.minTlsVersion,
      ...(servername !== null && { servername }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    },
    ...(auth && {
      auth: {
        user: auth.user,
        pass: auth.password ?? files.password ?? '',
        ...(auth.method && { method: auth.method }),
      },
      ...(auth.method && { authMethod: auth.method }),
      forceAuth: true,
    }),
    ...(dkim !== undefined &&
      dkimKey !== undefined && { dkim: { domainName: dkim.domain, keySelector: dkim.selector, privateKey: dkimKey } }),
    ...(settings.proxy !== undefined && { proxy: settings.proxy }),
    maxConnections: settings.maxConnections,
    maxMessages: 100,
    // See overKeptConnection.
    maxRequeues: 0,
    // Half of the time for all, so that nodemailer's verdict, which names the phase, comes before ours. The first bounds the
    // others: it runs from the look-up of the name to the end of the TLS handshake, the greeting in between.
    connectionTimeout: Math.min(60, settings.sendTimeoutSeconds / 2) * 1000,
    greetingTimeout: Math.min(60, settings.sendTimeoutSeconds / 2) * 1000,
    dnsTimeout: Math.min(10, settings.sendTimeoutSeconds / 4) * 1000,
    socketTimeout: settings.replyTimeoutSeconds * 1000,
    socketCloseTimeout: 2000,
    maxResponseSize: 65_536,
    maxRecipients: 1,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  // nodemailer brings the HTTP proxy itself, SOCKS by this package.
  transport.set('proxy_socks_module', socks);
  transport.use('stream', trackStream);
  return transport;
}

/** The fields of nodemailer's error that classification may see; its message may quote addresses. */
export function failureOf(error: unknown, stream: SmtpFailure['stream'], aborted: SmtpFailure['aborted']): SmtpFailure {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Readonly<Record<string, unknown>>;
  const text = (name: string) => (typeof fields[name] === 'string' ? { [name]: fields[name] } : {});
  return {
    ...text('code'),
    ...text('response'),
    ...text('command'),
    ...text('originalCode'),
    ...text('timeoutType'),
    ...(typeof fields.responseCode === 'number' && { responseCode: fields.responseCode }),
    stream,
    ...(aborted !== undefined && { aborted }),
  };
}
