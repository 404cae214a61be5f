/** Examines each sender: connection, TLS, login, limits, and the DNS records of its domain. */
import { resolveTxt } from 'node:dns/promises';
import { isLoopback } from '../../dispatch/egress/ip-address.ts';
import { readSmtpFiles } from '../../dispatch/smtp/smtp-files.ts';
import type { SmtpOptions } from '../../dispatch/smtp/smtp-options.ts';
import type { SmtpSettings } from '../../dispatch/smtp/smtp-settings.ts';
import {
  type DomainRecord,
  domainRecords,
  isAligned,
  probeSmtp,
  type RelayAnswer,
} from '../../dispatch/smtp/check-sender.ts';
import { parseSenders, type SmtpSendersOptions } from '../../dispatch/smtp/senders.ts';
import { ConfigurationError } from '../../errors.ts';
import type { Reason } from '../../vocabulary.ts';
import { type Finding, info, ok, problem, warning } from './finding.ts';

/** 10 MB of attachments, encoded, and the text around them. */
const largestMailBytes = 14_000_000;

const notSet = 'not examined: neither HERALD_SMTP_HOST nor HERALD_SMTP_SENDERS_FILE is set here';

/** Examines the senders of a worker; null if none is configured here. Sends no email. */
export async function examineSmtp(options: SmtpOptions | SmtpSendersOptions | null): Promise<Finding[]> {
  if (options === null) return [info('smtp', notSet)];
  const senders = parseSenders(options);
  const found = await Promise.all(
    senders.map(async ({ name, settings }) => {
      const findings = await examineSender(settings);
      return senders.length === 1 ? findings : findings.map((each) => ({ ...each, text: `${name}: ${each.text}` }));
    }),
  );
  return found.flat();
}

async function examineSender(settings: SmtpSettings): Promise<Finding[]> {
  try {
    const { dkimKey } = readSmtpFiles(settings);
    const [answer, records] = await Promise.all([probeSmtp(settings), domainRecords(settings, resolveTxt, dkimKey)]);
    return [...examineRelay(settings, answer), ...records.map(examineRecord), ...examineAlignment(settings)];
  } catch (error) {
    if (error instanceof ConfigurationError) return [problem('smtp', error.message, 'correct the setting')];
    throw error;
  }
}

function examineRelay(settings: SmtpSettings, answer: RelayAnswer): Finding[] {
  const place = `${settings.host}:${settings.port}`;
  if (answer.fault !== null) {
    const { reason, detail } = answer.fault;
    return [problem('smtp', `${place}: ${reason}, ${detail}`, remedyOf(reason, place))];
  }
  const { extensions, maxBytes } = answer.capabilities;
  const encrypted = { starttls: 'STARTTLS, ', implicit: 'TLS, ', opportunistic: '', none: '' }[settings.tls];
  return [
    ok('smtp', `${place} accepts our ${encrypted}connection${settings.auth ? ' and login' : ''}`),
    examineEhloName(settings),
    maxBytes !== null && maxBytes < Math.min(largestMailBytes, settings.maxMessageBytes)
      ? warning(
          'size',
          `${place} accepts emails of ${megabytes(maxBytes)} at most; larger ones fail before they are sent`,
          'keep attachments smaller, send links instead, or raise the limit of the relay',
        )
      : ok(
          'size',
          maxBytes === null ? `${place} has no limit` : `${place} accepts emails of up to ${megabytes(maxBytes)}`,
        ),
    ok(
      'smtputf8',
      extensions.includes('SMTPUTF8')
        ? `${place} accepts internationalised addresses`
        : `${place} does not accept internationalised local parts (5.6.7): only emails to such addresses fail`,
    ),
    ...(settings.tls === 'none' && !isLoopback(settings.host)
      ? [
          warning(
            'tls',
            `${place} receives emails in clear text`,
            'set HERALD_SMTP_TLS to starttls when the relay offers it',
          ),
        ]
      : []),
  ];
}

/** A relay may refuse a name without a dot, such as that of a container, and an address literal, too. */
function examineEhloName({ ehloName }: SmtpSettings): Finding {
  if (/^[^[].*\./.test(ehloName)) return ok('ehlo', `the worker calls itself ${ehloName}`);
  return warning(
    'ehlo',
    `the worker calls itself ${ehloName}, which is not a host name with a dot, so relays may refuse it`,
    'set HERALD_SMTP_EHLO_NAME, or ehloName of smtp(), to a host name with a dot',
  );
}

function remedyOf(reason: Reason, place: string): string {
  const remedies: Partial<Record<Reason, string>> = {
    unreachable: 'check host and port, that the relay is running, and that the firewall allows the connection',
    connect_timeout:
      'check host and port, and that the firewall allows the connection; many hosting providers block port ' +
      '25, so use 587 or 465',
    dns: 'check the host name and the name servers of this machine',
    tls: `run "openssl s_client -starttls smtp -connect ${place}", then check the settings tls, servername and caFile`,
    authentication:
      'check user and password, or the client and its grant at the token endpoint; some providers need an app password',
    proxy: 'check the URL of the proxy, its login, and that it allows this port',
    throttled: 'the relay is busy or limits our rate: try again later, and lower maxConnections',
  };
  return remedies[reason] ?? 'check the HERALD_SMTP_ settings, the relay and the network in between';
}

function examineRecord({ record, name, state }: DomainRecord): Finding {
  const publish = {
    SPF: 'publish a TXT record "v=spf1 ..." that names the relay',
    DMARC: 'publish a TXT record, first "v=DMARC1; p=none; rua=mailto:..."',
    DKIM: 'publish the public key there as "v=DKIM1; k=rsa; p=..."',
  } as const;
  switch (state) {
    case 'found':
      return ok(record, name);
    case 'missing':
      return warning(record, `no record at ${name}`, publish[record]);
    case 'several':
      return problem(record, `more than one record at ${name}, which counts as none`, 'delete all but one');
    case 'different':
      return problem(
        record,
        `the key at ${name} is not the one that signs`,
        `${publish[record]} of keyFile, or use the private key that matches it`,
      );
    case 'unknown':
      return warning(record, `${name} could not be looked up`, 'try again when the name servers are reachable');
    default:
      return state satisfies never;
  }
}

function examineAlignment(settings: SmtpSettings): Finding[] {
  if (isAligned(settings)) return [];
  return [
    warning(
      'DMARC',
      'neither the bounce address nor our signature has the domain of From, so DMARC fails unless the relay ' +
        'signs for it',
      'use an envelopeFrom of that domain, or sign with dkim for it',
    ),
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
