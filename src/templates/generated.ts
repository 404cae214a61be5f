/** What the file that `pg-herald types` writes is made of: templates whose labels and data come from their files. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { Template } from './define.ts';
import { suggestion } from './nearest.ts';

/** The labels of a template file as an object: the required ones, and the optional ones. */
export type FileLabels<Required extends string, Optional extends string> = {
  readonly [Name in Required]: string;
} & { readonly [Name in Optional]?: string };

/** A template as `pg-herald types` writes it into a file. */
export interface FileTemplate<Name extends string, Required extends string, Optional extends string, Data> {
  /** Name of the template. */
  readonly name: Name;
  /** Labels that every notification needs. Default: none. */
  readonly labels?: readonly Required[];
  /** Labels that a notification may leave out. Default: none. */
  readonly optionalLabels?: readonly Optional[];
  /** Labels that are encrypted at rest. Default: none. */
  readonly secrets?: readonly (Required | Optional)[];
  /** The type of the data, see `typeOfData`. Default: any JSON. */
  readonly data?: StandardSchemaV1<Data>;
}

/**
 * Declares a template as its file says. `pg-herald types` writes the calls, so that nothing is typed twice; use
 * `defineTemplate` to validate labels and data with schemas of your own.
 */
export function templateFromFile<
  const Name extends string,
  const Required extends string = never,
  const Optional extends string = never,
  Data = undefined,
>(
  file: FileTemplate<Name, Required, Optional, Data>,
): Template<
  Name,
  StandardSchemaV1<FileLabels<Required, Optional>>,
  [Data] extends [undefined] ? undefined : StandardSchemaV1<Data>
> {
  const { name, labels = [], optionalLabels = [], secrets = [] } = file;
  return {
    name,
    labels: labelsSchema(labels, optionalLabels),
    data: file.data as [Data] extends [undefined] ? undefined : StandardSchemaV1<Data>,
    secrets: [...secrets],
  };
}

/**
 * Carries the type of a template's data. At run time it refuses a notification without any data, unless `optional` is
 * true (default false); fields are checked when the code is compiled.
 */
export function typeOfData<Data>({ optional = false }: { readonly optional?: boolean } = {}): StandardSchemaV1<Data> {
  return schema((data) =>
    !optional && (data === undefined || data === null)
      ? [{ message: 'is missing, and the text of the template uses it' }]
      : [],
  );
}

function labelsSchema<Required extends string, Optional extends string>(
  required: readonly Required[],
  optional: readonly Optional[],
): StandardSchemaV1<FileLabels<Required, Optional>> & { readonly entries: object } {
  const known: readonly string[] = [...required, ...optional];
  const checked = schema<FileLabels<Required, Optional>>((labels) => {
    if (typeof labels !== 'object' || labels === null) return [{ message: 'must be an object of labels' }];
    const given = Object.entries(labels).filter(([, value]) => value !== undefined);
    const missing = required.filter((name) => !given.some(([other]) => other === name));
    return [
      ...missing.map((name) => ({ path: [name], message: 'is missing' })),
      ...given.filter(([name]) => !known.includes(name)).map(([name]) => unknownLabel(name, known)),
    ];
  });
  return { ...checked, entries: Object.fromEntries(known.map((name) => [name, null])) };
}

function unknownLabel(name: string, known: readonly string[]): StandardSchemaV1.Issue {
  const hint = suggestion(name, known);
  return { path: [name], message: `is not a label of the template${hint || '; run "pg-herald types" again'}` };
}

function schema<T>(issuesOf: (value: unknown) => readonly StandardSchemaV1.Issue[]): StandardSchemaV1<T> {
  return {
    '~standard': {
      version: 1,
      vendor: 'pg-herald',
      validate: (value) => {
        const issues = issuesOf(value);
        return issues.length > 0 ? { issues } : { value: value as T };
      },
    },
  };
}
