/** Several senders of one method: what they are told, and which of them may take a message. Pure. */
import * as v from 'valibot';
import { ConfigurationError } from '../../errors.ts';
import { requirementOf } from '../settings.ts';
import { parseSmtpOptions, type SmtpOptions, type SmtpSettings } from './options.ts';

/** A relay with the address that is used with it. */
export interface SmtpSender extends SmtpOptions {
  /** What templates ask for by `sender`: lower-case letters, digits, `.`, `_` and `-`, 63 at most. */
  readonly name: string;
  /** Takes messages of these tenants only, and they go by no other. Default: those of every tenant that has none of its own. */
  readonly tenants?: readonly string[];
}

export interface SmtpSendersOptions {
  /** In order of preference, 1 to 50: one that is at fault rests, and the next takes over. */
  readonly senders: readonly SmtpSender[];
}

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

/** The name of the only sender where none was given. */
export const onlySender = 'default';

/** @throws {ConfigurationError} named `smtp.<path>`, without the value. */
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
  const twice = senders.findIndex((sender, i) => senders.findIndex((other) => other.name === sender.name) !== i);
  if (twice >= 0) throw new ConfigurationError(`smtp.senders.${twice}.name`, 'is the name of an earlier one, too');
  if (senders.every((sender) => sender.tenants !== null))
    throw new ConfigurationError('smtp.senders', 'needs one without tenants, for the messages of everybody else');
  return senders;
}

/** What a message says about its sender. */
export interface Wish {
  /** By name, from its template. */
  readonly sender: string | null;
  readonly tenant: string | null;
}

/**
 * Those that may take a message, in order. One that was asked for by name is the only one: whoever names it wants its address. The
 * senders of a tenant stand in for each other and nobody else does, so that no tenant's mail ever comes from a stranger.
 */
export function candidatesOf<T extends Pick<SenderSettings, 'name' | 'tenants'>>(
  senders: readonly T[],
  { sender, tenant }: Wish,
): readonly T[] {
  if (sender !== null) return senders.filter(({ name }) => name === sender);
  const own = tenant === null ? [] : senders.filter((each) => each.tenants?.includes(tenant));
  return own.length > 0 ? own : senders.filter((each) => each.tenants === null);
}
