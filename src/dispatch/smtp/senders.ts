/** The senders of one method: their settings, and which of them may take a message. Pure. */
import * as v from 'valibot';
import { ConfigurationError } from '../../errors.ts';
import { requirementOf } from '../settings.ts';
import type { SmtpOptions } from './smtp-options.ts';
import { parseSmtpOptions, type SmtpSettings } from './smtp-settings.ts';

/** A relay and the address that emails sent through it come from. */
export interface SmtpSender extends SmtpOptions {
  /** The name that templates use in `sender`: lower-case letters, digits, `.`, `_` and `-`; at most 63 characters. */
  readonly name: string;
  /**
   * Takes the messages of these tenants only, and no other sender takes them. Default: the messages of every tenant
   * that has no sender of its own.
   */
  readonly tenants?: readonly string[];
}

/** Several senders that replace each other. */
export interface SmtpSendersOptions {
  /** In order of preference, 1 to 50. A sender at fault is paused, and the next one takes over. */
  readonly senders: readonly SmtpSender[];
}

/** A sender's settings, checked. */
export interface SenderSettings {
  readonly name: string;
  readonly tenants: readonly string[] | null;
  readonly settings: SmtpSettings;
}

const name = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must be a name of a-z, 0-9, ".", "_" and "-"'));
const tenants = v.optional(v.pipe(v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(200))), v.minLength(1)));
const schema = v.strictObject({
  senders: v.pipe(v.array(v.looseObject({ name, tenants })), v.minLength(1), v.maxLength(50)),
});

/** The name of the sender where the options describe only one. */
export const onlySender = 'default';

/** @throws {ConfigurationError} if an option is invalid; it names `smtp.<path>`, never the value. */
export function parseSenders(options: SmtpOptions | SmtpSendersOptions): readonly SenderSettings[] {
  if (!('senders' in options)) return [{ name: onlySender, tenants: null, settings: parseSmtpOptions(options) }];
  const parsed = v.safeParse(schema, options);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new ConfigurationError(`smtp.${v.getDotPath(issue) ?? 'senders'}`, requirementOf(issue));
  }
  const senders = options.senders.map(({ name, tenants, ...rest }, i) => ({
    name,
    tenants: tenants ?? null,
    settings: parseSmtpOptions(rest, `smtp.senders.${i}`),
  }));
  requireSense(senders);
  return senders;
}

/** Names differ, and the messages of every tenant have a sender. */
function requireSense(senders: readonly SenderSettings[]): void {
  const twice = senders.findIndex((sender, i) => senders.findIndex((other) => other.name === sender.name) !== i);
  if (twice >= 0) throw new ConfigurationError(`smtp.senders.${twice}.name`, 'is also the name of an earlier sender');
  if (senders.every((sender) => sender.tenants !== null))
    throw new ConfigurationError(
      'smtp.senders',
      'needs a sender without tenants, for the messages of all other tenants',
    );
}

/** What a message says about who may send it. */
export interface SenderRequest {
  /** The name that its template or its tenant asks for. */
  readonly sender: string | null;
  readonly tenant: string | null;
}

/**
 * The senders that may take a message, in order. A sender asked for by name is the only candidate, because its address
 * matters. The senders of a tenant replace each other and no other sender does, so that no tenant's email comes from
 * another tenant's address.
 */
export function candidatesOf<T extends Pick<SenderSettings, 'name' | 'tenants'>>(
  senders: readonly T[],
  { sender, tenant }: SenderRequest,
): readonly T[] {
  if (sender !== null) return senders.filter(({ name }) => name === sender);
  const own = tenant === null ? [] : senders.filter((each) => each.tenants?.includes(tenant));
  return own.length > 0 ? own : senders.filter((each) => each.tenants === null);
}
