/** Whether a relay would take our mails, found out without sending one; and what its domain says about us. */
import type { DispatchResult } from '../dispatcher.ts';
import { classifySmtpFailure } from './classify.ts';
import type { SmtpOptions, SmtpSettings } from './options.ts';
import { createTokenSource } from './login.ts';
import { createRelay, failureOf } from './transport.ts';

/** Connects, negotiates TLS and logs in. Null: it works. @throws {ConfigurationError} for files that cannot be used. */
export async function probeSmtp(settings: SmtpSettings): Promise<Exclude<DispatchResult, { outcome: 'sent' }> | null> {
  const relay = createRelay(settings, settings.auth?.oauth2 ? createTokenSource(settings.auth.oauth2) : null);
  try {
    await relay.connect().transport.verify();
    return null;
  } catch (error) {
    return classifySmtpFailure(failureOf(error, 'unopened', undefined));
  } finally {
    relay.close();
  }
}

/** `node:dns/promises` fits. */
export type ResolveTxt = (name: string) => Promise<string[][]>;

export interface DomainRecord {
  readonly record: 'SPF' | 'DMARC' | 'DKIM';
  readonly name: string;
  /** `unknown`: the name servers could not be asked. */
  readonly state: 'found' | 'missing' | 'unknown';
}

/** The TXT records that receivers judge our mails by: RFC 7208, RFC 7489, RFC 6376. */
export function domainRecords(
  options: Pick<SmtpOptions, 'from' | 'envelopeFrom' | 'dkim'>,
  resolveTxt: ResolveTxt,
): Promise<DomainRecord[]> {
  const domain = options.from.address.split('@').at(-1) ?? '';
  const bounces = options.envelopeFrom?.split('@').at(-1) ?? domain;
  const wanted = [
    { record: 'SPF' as const, name: bounces, begins: 'v=spf1' },
    { record: 'DMARC' as const, name: `_dmarc.${domain}`, begins: 'v=DMARC1' },
    ...(options.dkim === undefined
      ? []
      : [{ record: 'DKIM' as const, name: `${options.dkim.selector}._domainkey.${options.dkim.domain}`, begins: '' }]),
  ] satisfies (Omit<DomainRecord, 'state'> & { begins: string })[];
  return Promise.all(
    wanted.map(async ({ record, name, begins }) => ({ record, name, state: await stateOf(name, begins, resolveTxt) })),
  );
}

async function stateOf(name: string, begins: string, resolveTxt: ResolveTxt): Promise<DomainRecord['state']> {
  try {
    const records = await resolveTxt(name);
    return records.some((parts) => parts.join('').toLowerCase().startsWith(begins.toLowerCase())) ? 'found' : 'missing';
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
    return code === 'ENOTFOUND' || code === 'ENODATA' ? 'missing' : 'unknown';
  }
}
