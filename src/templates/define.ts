/**
 * The typed side of a template: what an application declares in code, so that a forgotten label does not compile.
 * Any validator that speaks Standard Schema (https://standardschema.dev) works; the documentation uses valibot.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError, type Issue } from '../errors.ts';
import type { JsonValue } from '../vocabulary.ts';

/** A schema whose output is flat strings; `undefined` stands for an optional label that is absent. */
export type LabelsSchema = StandardSchemaV1<unknown, Readonly<Record<string, string | undefined>>>;

/** A template as the application knows it: its name and the schemas of what it is filled with. */
export interface Template<
  Name extends string = string,
  Labels extends LabelsSchema = LabelsSchema,
  Data extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined,
> {
  readonly name: Name;
  readonly labels: Labels;
  /** Absent: any JSON is accepted. */
  readonly data: Data;
  /** Names of labels that are encrypted at rest, wiped when the message settles and never shown. */
  readonly secrets: readonly string[];
}

/** What `enqueue` takes as labels of this template: the schema's input, so that defaults stay optional. */
export type LabelsOf<T extends Template> = StandardSchemaV1.InferInput<T['labels']>;

/** What `enqueue` takes as data of this template: the schema's input, or any JSON without a schema. */
export type DataOf<T extends Template> = T['data'] extends StandardSchemaV1
  ? StandardSchemaV1.InferInput<T['data']>
  : JsonValue;

/** Names that templates may have: also the file name without `.md`. */
export const templateNamePattern = /^[a-z0-9][a-z0-9-]{0,99}$/;

/**
 * Declares a template. The text itself lives in `<name>.md` (see `templates sync`).
 *
 * @throws {ConfigurationError} when the name does not match `templateNamePattern`, when `labels` is no Standard Schema,
 * or when a secret is not the name of one of the labels (checked where the schema tells its keys).
 */
export function defineTemplate<
  const Name extends string,
  Labels extends LabelsSchema,
  Data extends StandardSchemaV1 | undefined = undefined,
>(definition: {
  readonly name: Name;
  readonly labels: Labels;
  readonly data?: Data;
  readonly secrets?: readonly (keyof StandardSchemaV1.InferInput<Labels> & string)[];
}): Template<Name, Labels, Data> {
  const { name, labels, secrets = [] } = definition;
  if (typeof name !== 'string' || !templateNamePattern.test(name)) {
    throw new ConfigurationError(
      'template.name',
      `${JSON.stringify(name)} is not a template name; use 1 to 100 lower-case letters, digits and hyphens, starting with a letter or digit`,
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
    throw new ConfigurationError(setting, 'is no Standard Schema; give for example a valibot v.object({ ... })');
  }
}

/**
 * The names of a template's labels where its schema tells them (valibot `entries`, zod `shape`); otherwise null.
 * Used to compare template files with their types, never to validate.
 */
export function labelNames(template: Template): string[] | null {
  const schema = template.labels as { readonly entries?: unknown; readonly shape?: unknown };
  const fields = schema.entries ?? schema.shape;
  return typeof fields === 'object' && fields !== null ? Object.keys(fields).sort() : null;
}

/** Labels and data after validation: absent optional labels are left out, defaults are filled in. */
export interface ValidInput {
  readonly labels: Record<string, string>;
  readonly data: JsonValue;
}

/** Either the validated values, or everything that is wrong with them. */
export type Validation = { readonly value: ValidInput } | { readonly issues: readonly Issue[] };

/** Validates what `enqueue` was given. Never throws for bad input; messages about secret labels hold no value. */
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
    : // The caller writes it with JSON.stringify, which is where anything that is not JSON falls away or throws.
      { value: { labels: flat.labels, data: (data.value ?? null) as JsonValue } };
}

function issuesUnder(root: string, issues: readonly StandardSchemaV1.Issue[], secrets: readonly string[]): Issue[] {
  return issues.map((issue) => {
    const keys = (issue.path ?? []).map((segment) => (typeof segment === 'object' ? segment.key : segment));
    const path = keys.reduce<string>(
      (to, key) => (typeof key === 'number' ? `${to}[${key}]` : `${to}.${String(key)}`),
      root,
    );
    // Validators like to quote what they received.
    const secret = secrets.length > 0 && (keys.length === 0 || secrets.includes(String(keys[0])));
    return {
      path,
      message: secret ? 'is missing or not valid; the value is not shown because it is secret' : issue.message,
    };
  });
}

/** The types promise strings; a schema with a cast may still let something else through. */
function flatStrings(values: Readonly<Record<string, unknown>>): { labels: Record<string, string>; issues: Issue[] } {
  const present = Object.entries(values).filter(([, value]) => value !== undefined);
  return {
    labels: Object.fromEntries(present.filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
    issues: present
      .filter(([, value]) => typeof value !== 'string')
      .map(([name, value]) => ({ path: `labels.${name}`, message: `must be a string, not ${typeof value}` })),
  };
}
