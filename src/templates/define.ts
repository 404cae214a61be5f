/**
 * Templates as an application declares them in code, so that a missing label does not compile. Any validator that
 * implements Standard Schema (https://standardschema.dev) works; the documentation uses valibot.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError, type Issue } from '../errors.ts';
import type { JsonValue } from '../vocabulary.ts';

/** A schema whose output is an object of strings. `undefined` means that an optional label is absent. */
export type LabelsSchema = StandardSchemaV1<unknown, Readonly<Record<string, string | undefined>>>;

/** A template as the application declares it: its name and the schemas of its labels and data. See `defineTemplate`. */
export interface Template<
  Name extends string = string,
  Labels extends LabelsSchema = LabelsSchema,
  Data extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined,
> {
  /** Also the name of the template's file, without `.md`. */
  readonly name: Name;
  /** Schema of the labels. */
  readonly labels: Labels;
  /** Schema of the data. Without one, any JSON is accepted. */
  readonly data: Data;
  /** Names of the labels that are encrypted at rest, deleted when the message settles, and never displayed. */
  readonly secrets: readonly string[];
}

/**
 * The labels that `enqueue` accepts for a template: the input of its schema, so that a label with a default is
 * optional.
 */
export type LabelsOf<T extends Template> = StandardSchemaV1.InferInput<T['labels']>;

/** The data that `enqueue` accepts for a template: the input of its schema, or any JSON without a schema. */
export type DataOf<T extends Template> = T['data'] extends StandardSchemaV1
  ? StandardSchemaV1.InferInput<T['data']>
  : JsonValue;

/** Makes `data` required for a template whose data may not be absent. */
export type RequiredData<T extends Template> = T['data'] extends StandardSchemaV1
  ? undefined extends DataOf<T>
    ? unknown
    : { readonly data: DataOf<T> }
  : unknown;

/** Valid template names. The name is also the file name without `.md`. */
export const templateNamePattern = /^[a-z0-9][a-z0-9-]{0,99}$/;

/**
 * Declares a template for `enqueue`. Its text is in the file `<name>.md`, which `pg-herald templates sync` stores.
 *
 * @throws {ConfigurationError} if the name is not 1 to 100 lower-case letters, digits and hyphens, if `labels` or
 * `data` is not a Standard Schema, or if a secret is not one of the labels (for schemas that list their keys).
 */
export function defineTemplate<
  const Name extends string,
  Labels extends LabelsSchema,
  Data extends StandardSchemaV1 | undefined = undefined,
>(definition: {
  readonly name: Name;
  /** Schema of the labels. */
  readonly labels: Labels;
  readonly data?: Data;
  readonly secrets?: readonly (keyof StandardSchemaV1.InferInput<Labels> & string)[];
}): Template<Name, Labels, Data> {
  const { name, labels, secrets = [] } = definition;
  if (typeof name !== 'string' || !templateNamePattern.test(name)) {
    throw new ConfigurationError(
      'template.name',
      `${JSON.stringify(name)} is not a template name; use 1 to 100 lower-case letters, digits and hyphens, ` +
        'starting with a letter or digit',
    );
  }
  requireSchema(`template ${name}: labels`, labels);
  if (definition.data !== undefined) requireSchema(`template ${name}: data`, definition.data);
  const template = { name, labels, data: definition.data as Data, secrets: [...secrets] };
  const unknown = template.secrets.find((secret) => labelNames(template)?.includes(secret) === false);
  if (unknown !== undefined) {
    throw new ConfigurationError(`template ${name}: secrets`, `${JSON.stringify(unknown)} is not one of its labels`);
  }
  return template;
}

function requireSchema(setting: string, schema: StandardSchemaV1): void {
  if (typeof schema?.['~standard']?.validate !== 'function') {
    throw new ConfigurationError(setting, 'is not a Standard Schema; use for example v.object({ ... }) of valibot');
  }
}

/**
 * Returns the names of a template's labels, sorted, or null if its schema does not list them (valibot has `entries`,
 * zod has `shape`). Not used to validate.
 */
export function labelNames(template: Template): string[] | null {
  const schema = template.labels as { readonly entries?: unknown; readonly compiled?: unknown };
  const fields = schema.entries ?? schema.compiled;
  return typeof fields === 'object' && fields !== null ? Object.keys(fields).sort() : null;
}

/** Labels and data after validation: without absent labels, with defaults filled in. */
export interface ValidInput {
  readonly labels: Record<string, string>;
  readonly data: JsonValue;
}

/** Either the validated values, or all issues. */
export type Validation = { readonly value: ValidInput } | { readonly issues: readonly Issue[] };

/** Validates the input of `enqueue`. Never throws for bad input. Issues of secret labels contain no value. */
export async function validateInput(
  template: Template,
  input: { readonly labels: unknown; readonly data?: unknown },
): Promise<Validation> {
  const [labels, data] = await Promise.all([
    template.labels['~standard'].validate(input.labels ?? {}),
    template.data ? template.data['~standard'].validate(input.data) : { value: input.data ?? null },
  ]);
  const issues = [
    ...(labels.issues ? issuesUnder('labels', labels.issues, template.secrets) : []),
    ...(data.issues ? issuesUnder('data', data.issues, []) : []),
  ];
  if (labels.issues || data.issues) return { issues };
  const flat = flatStrings(labels.value);
  return flat.issues.length > 0
    ? { issues: flat.issues }
    : // The caller checks that it is JSON when it writes it.
      { value: { labels: flat.labels, data: (data.value ?? null) as JsonValue } };
}

function issuesUnder(root: string, issues: readonly StandardSchemaV1.Issue[], secrets: readonly string[]): Issue[] {
  return issues.map((issue) => {
    const keys = (issue.path ?? []).map((part) => (typeof part === 'object' ? part.key : part));
    const path = keys.reduce<string>(
      (to, key) => (typeof key === 'number' ? `${to}[${key}]` : `${to}.${String(key)}`),
      root,
    );
    // Validators often quote what they received.
    const secret = secrets.length > 0 && (keys.length === 0 || secrets.includes(String(keys[0])));
    return {
      path,
      message: secret ? 'is missing or not valid; the value is not shown because it is secret' : issue.message,
    };
  });
}

/** The types promise strings, but a schema with a cast can still return something else. */
function flatStrings(values: Readonly<Record<string, unknown>>): { labels: Record<string, string>; issues: Issue[] } {
  const present = Object.entries(values).filter(([, value]) => value !== undefined);
  return {
    labels: Object.fromEntries(present.filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
    issues: present
      .filter(([, value]) => typeof value !== 'string')
      .map(([name, value]) => ({ path: `labels.${name}`, message: `must be a string, not ${typeof value}` })),
  };
}
