/**
 * Checks what users configure. Errors name the setting and the remedy, never the value: it may be a secret, and valibot
 * quotes it.
 */
import * as v from 'valibot';
import { ConfigurationError } from '../errors.ts';
import { suggestion } from '../templates/nearest.ts';

/**
 * Returns the checked settings with their defaults.
 *
 * @param setting what errors are named after, for example `webhook.endpoint`
 * @throws {ConfigurationError} for the first setting that is missing, wrong or unknown, named `<setting>.<path>`.
 */
export function parseSettings<Output>(
  setting: string,
  schema: v.GenericSchema<unknown, Output>,
  input: unknown,
): Output {
  const parsed = v.safeParse(schema, input);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  const message = issue.type === 'strict_object' ? unknownOption(schema, issue) : requirementOf(issue);
  throw new ConfigurationError(path === null ? setting : `${setting}.${path}`, message);
}

/** What a setting must be. Regular expressions and checks have a message of their own in the schema. */
export function requirementOf(issue: v.BaseIssue<unknown>): string {
  if (issue.type === 'regex' || issue.type === 'check') return issue.message;
  return `must be ${issue.expected ?? (issue.kind === 'schema' ? 'something else' : 'valid')}`;
}

function unknownOption(schema: unknown, { path }: v.BaseIssue<unknown>): string {
  const keys = (path ?? []).map(({ key }) => String(key));
  const parent = keys.slice(0, -1).reduce<unknown>((outer, key) => entriesOf(outer)[key], schema);
  return `unknown option${suggestion(keys.at(-1) ?? '', Object.keys(entriesOf(parent)))}`;
}

/** The members of an object schema, looking through `optional`. */
function entriesOf(schema: unknown): Readonly<Record<string, unknown>> {
  if (typeof schema !== 'object' || schema === null) return {};
  if ('entries' in schema && typeof schema.entries === 'object') return { ...schema.entries };
  return 'wrapped' in schema ? entriesOf(schema.wrapped) : {};
}
