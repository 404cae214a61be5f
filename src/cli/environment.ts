/** Reads single variables by the table in settings.ts. Errors name the variable, and never quote a secret. */
import { readFileSync } from 'node:fs';
import { ConfigurationError } from '../errors.ts';
import { type Setting, type SettingName, settings } from './settings.ts';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

type Names<Type extends Setting['type']> = {
  [Name in SettingName]: (typeof settings)[Name]['type'] extends Type ? Name : never;
}[SettingName];
type SecretNames = {
  [Name in SettingName]: (typeof settings)[Name] extends { secret: true } ? Name : never;
}[SettingName];

/** Reads typed values; an empty variable counts as not set, which gives null. */
export interface SettingReader {
  text(name: Names<'text' | 'file'>): string | null;
  number(name: Names<'number'>): number | null;
  choice<Name extends Names<'choice'>>(name: Name): (typeof settings)[Name]['values'][number] | null;
  url(name: Names<'url'>): string | null;
  /** Words between commas. */
  list(name: Names<'list'>): string[] | null;
  /** From the variable, or from the file that `<name>_FILE` names. One trailing newline is dropped. */
  secret(name: SecretNames): string | null;
  /** Like `secret`, but returns the path of the file, so that it can be read again when it changes. */
  secretOrFile(name: SecretNames): { readonly value: string } | { readonly file: string } | null;
}

/** @throws {ConfigurationError} from each method if the value is not valid. */
export function createSettingReader(environment: Environment): SettingReader {
  const text = (name: string) => environment[name] || null;
  return {
    text,
    number: (name) => numberOf(name, text(name)),
    choice: (name) => choiceOf(name, text(name)),
    url: (name) => urlOf(name, text(name)),
    list: (name) =>
      text(name)
        ?.split(',')
        .map((word) => word.trim())
        .filter((word) => word !== '') ?? null,
    secret: (name) => {
      const file = text(`${name}_FILE`);
      return file === null ? text(name) : contentOf(file, `${name}_FILE`);
    },
    secretOrFile: (name) => {
      const [file, value] = [text(`${name}_FILE`), text(name)];
      if (file !== null) return { file };
      return value === null ? null : { value };
    },
  };
}

function contentOf(file: string, variable: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch {
    throw new ConfigurationError(variable, `cannot read ${file}`);
  }
}

function numberOf(name: Names<'number'>, text: string | null): number | null {
  if (text === null) return null;
  const { min, max } = settings[name];
  const value = /^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new ConfigurationError(name, `"${text}" is not a number from ${min} to ${max}`);
}

function choiceOf<Name extends Names<'choice'>>(
  name: Name,
  text: string | null,
): (typeof settings)[Name]['values'][number] | null {
  if (text === null) return null;
  const values: readonly string[] = settings[name].values;
  if (values.includes(text)) return text as (typeof settings)[Name]['values'][number];
  throw new ConfigurationError(name, `"${text}" is not one of ${values.join(', ')}`);
}

function urlOf(name: Names<'url'>, text: string | null): string | null {
  if (text === null) return null;
  const schemes: readonly string[] = settings[name].schemes;
  if (URL.canParse(text) && schemes.includes(new URL(text).protocol)) return text;
  const expected = schemes.map((scheme) => `${scheme}//`).join(' or ');
  throw new ConfigurationError(name, `"${text}" is not an absolute URL (${expected})`);
}

/** The values that are set, each under its name: what never gives null is always there. */
type Collected<Readers extends Readonly<Record<string, () => unknown>>> = {
  [Name in keyof Readers as null extends ReturnType<Readers[Name]> ? never : Name]: ReturnType<Readers[Name]>;
} & {
  [Name in keyof Readers as null extends ReturnType<Readers[Name]> ? Name : never]?: Exclude<
    ReturnType<Readers[Name]>,
    null
  >;
};

/**
 * Calls all readers, and leaves out what is null.
 * @throws {ConfigurationError} that names everything that is wrong, not only the first setting.
 */
export function collected<const Readers extends Readonly<Record<string, () => unknown>>>(
  readers: Readers,
): Collected<Readers> {
  const values: Record<string, unknown> = {};
  const errors: ConfigurationError[] = [];
  for (const [name, read] of Object.entries(readers))
    try {
      const value = read();
      if (value !== null) values[name] = value;
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      errors.push(error);
    }
  const [first] = errors;
  if (first === undefined) return values as Collected<Readers>;
  const message = errors.map((error) => error.message).join('; ');
  throw new ConfigurationError(first.setting, message.slice(first.setting.length + 2));
}

/** Returns the value of a secret that must be set. @throws {ConfigurationError} if it is null. */
export function required<Value>(name: SecretNames, value: Value | null): Value {
  if (value !== null) return value;
  throw new ConfigurationError(name, `is not set: set it, or ${name}_FILE to the path of a file that contains it`);
}
