/** Checks of a sender that send no email: whether its relay accepts our login, and its domain's DNS records. */
import { createPublicKey } from 'node:crypto';
import { classifySmtpFailure } from './classify-failure.ts';
import type { FailedDispatch } from '../dispatcher.ts';
import { createTokenSource } from './login.ts';
import type { SmtpOptions } from './smtp-options.ts';
import { domainOf, type SmtpSettings } from './smtp-settings.ts';
import { requireSocks } from './socks.ts';
import { type Capabilities, createRelay, failureOf } from './transport.ts';

/** The fault of connection, TLS or login, or what the server offers. */
export type RelayAnswer =
  | { readonly fault: FailedDispatch }
  | { readonly fault: null; readonly capabilities: Capabilities };

/** Connects, negotiates TLS and logs in. @throws {ConfigurationError} if a file of the settings cannot be used. */
export async function probeSmtp(settings: SmtpSettings): Promise<RelayAnswer> {
  await requireSocks(settings);
  const tokens = settings.auth?.oauth2 === undefined ? null : createTokenSource(settings.auth.oauth2);
  const relay = createRelay(settings, tokens);
  const { transport } = relay.connect();
  try {
    await transport.verify();
    return { fault: null, capabilities: await relay.capabilities() };
  } catch (error) {
    const fault = classifySmtpFailure(failureOf(error, 'unopened', undefined));
    return { fault: tokens?.fault ? { ...fault, detail: `OAuth2 token: ${tokens.fault}` } : fault };
  } finally {
    relay.close();
  }
}

/** For example `resolveTxt` of `node:dns/promises`. */
export type ResolveTxt = (name: string) => Promise<string[][]>;

/** A TXT record that receivers look at. */
export interface DomainRecord {
  readonly record: 'SPF' | 'DMARC' | 'DKIM';
  readonly name: string;
  /**
   * `unknown`: the name servers could not be asked. `several`: more than one, which counts as none (RFC 7208, 4.5).
   * `different`: it does not belong to the key that signs.
   */
  readonly state: 'found' | 'missing' | 'several' | 'different' | 'unknown';
}

type Judge = (record: string) => boolean;

/**
 * The TXT records that receivers judge our emails by: RFC 7208, RFC 7489, RFC 6376.
 *
 * @param dkimKey the private key that signs, in PEM; without it a published key is not compared.
 */
export function domainRecords(
  options: Pick<SmtpOptions, 'from' | 'envelopeFrom' | 'dkim'>,
  resolveTxt: ResolveTxt,
  dkimKey?: string,
): Promise<DomainRecord[]> {
  const domain = domainOf(options.from.address);
  const bounces = domainOf(options.envelopeFrom ?? options.from.address);
  const { dkim } = options;
  const begins =
    (start: string): Judge =>
    (text) =>
      text.toLowerCase().startsWith(start);
  const fits: Judge = dkimKey === undefined ? () => true : (text) => publishedKey(text) === publicKeyOf(dkimKey);
  return Promise.all([
    stateOf(bounces, begins('v=spf1'), resolveTxt).then((state) => ({ record: 'SPF' as const, name: bounces, state })),
    stateOf(`_dmarc.${domain}`, begins('v=dmarc1'), resolveTxt).then((state) => ({
      record: 'DMARC' as const,
      name: `_dmarc.${domain}`,
      state,
    })),
    ...(dkim === undefined
      ? []
      : [`${dkim.selector}._domainkey.${dkim.domain}`].map(async (name) => ({
          record: 'DKIM' as const,
          name,
          state: await stateOf(name, (text) => publishedKey(text) !== '', resolveTxt, fits),
        }))),
  ]);
}

/**
 * Whether SPF (the bounces' domain) or DKIM speak for the domain of From, as DMARC demands of one of them; also of a
 * subdomain.
 */
export function isAligned(options: Pick<SmtpOptions, 'from' | 'envelopeFrom' | 'dkim'>): boolean {
  const domain = domainOf(options.from.address);
  const speakers = [domainOf(options.envelopeFrom ?? options.from.address), options.dkim?.domain.toLowerCase()];
  const related = (a: string, b: string) => a === b || a.endsWith(`.${b}`) || b.endsWith(`.${a}`);
  return speakers.some((speaker) => speaker !== undefined && related(speaker, domain));
}

async function stateOf(
  name: string,
  counts: Judge,
  resolveTxt: ResolveTxt,
  fits: Judge = () => true,
): Promise<DomainRecord['state']> {
  try {
    const records = (await resolveTxt(name)).map((parts) => parts.join('')).filter(counts);
    if (records.length > 1) return 'several';
    const [record] = records;
    if (record === undefined) return 'missing';
    return fits(record) ? 'found' : 'different';
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
    return code === 'ENOTFOUND' || code === 'ENODATA' ? 'missing' : 'unknown';
  }
}

/** The tag `p`, without the white space that it may hold; empty where the key was revoked or there is none. */
function publishedKey(record: string): string {
  return (/(?:^|;)\s*p\s*=([^;]*)/.exec(record)?.[1] ?? '').replace(/\s+/g, '');
}

function publicKeyOf(pem: string): string {
  return createPublicKey(pem).export({ type: 'spki', format: 'der' }).toString('base64');
}
