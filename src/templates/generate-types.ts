/** Writes the TypeScript file of a folder's templates, so that code and texts cannot disagree. */
import { oneLine } from './escape.ts';
import { dataType, keyText } from './data-type.ts';
import { pathUses } from './labels.ts';
import { parseSyntax } from './parse.ts';
import { type TemplateSource, textsOf } from './template-file.ts';

/** The name of the file that `pg-herald dev` keeps up to date in the folder of the templates. */
export const typesFileName = 'templates.gen.ts';

/** Returns the text of the file: `templates`, with one member for each template, sorted by name. */
export function generateTypes(sources: readonly TemplateSource[]): string {
  const sorted = sources.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const members = sorted.map((source) => memberText(source, memberName(source.name, sorted)));
  const uses = (word: string) => members.some((member) => member.includes(word));
  const imports = [
    ...(uses('JsonValue') ? ['type JsonValue'] : []),
    'templateFromFile',
    ...(uses('typeOfData<') ? ['typeOfData'] : []),
  ];
  return [
    '// Written by "pg-herald types" from the template files. Change those and run it again.',
    `import { ${imports.join(', ')} } from 'pg-herald';`,
    '',
    'export const templates = {',
    ...members,
    '};',
    '',
  ].join('\n');
}

/** Whether two texts of such a file differ in more than their layout, which a formatter may have changed. */
export function differsInContent(a: string, b: string): boolean {
  const bare = (text: string) => text.replace(/[\s,;'"|()]/g, '');
  return bare(a) !== bare(b);
}

function memberName(name: string, all: readonly TemplateSource[]): string {
  const camel = camelCase(name);
  return all.some((other) => other.name !== name && camelCase(other.name) === camel) ? name : camel;
}

function camelCase(name: string): string {
  return name.replace(/-+(.)?/g, (_, letter: string | undefined) => letter?.toUpperCase() ?? '');
}

function memberText(source: TemplateSource, key: string): string {
  const { name, labels, optionalLabels, secrets, example } = source;
  const uses = [source, ...source.translations]
    .flatMap(textsOf)
    .flatMap(({ text }) => pathUses(parseSyntax(text).parts));
  const data = dataType(uses, example?.data ?? null);
  const list = (field: string, names: readonly string[]) =>
    names.length === 0 ? [] : [`    ${field}: [${names.map(quoted).join(', ')}],`];
  return [
    `  /** ${oneLine(source.title).replaceAll('*/', '* /')} */`,
    `  ${keyText(key)}: templateFromFile({`,
    `    name: ${quoted(name)},`,
    ...list('labels', labels),
    ...list('optionalLabels', optionalLabels),
    ...list('secrets', secrets),
    ...(data === null ? [] : [`    data: ${dataText(data)},`]),
    '  }),',
  ].join('\n');
}

function dataText({ type, required }: { readonly type: string; readonly required: boolean }): string {
  return required ? `typeOfData<${type}>()` : `typeOfData<${type} | undefined>({ optional: true })`;
}

/** Names of labels and templates contain no quotes. */
function quoted(name: string): string {
  return `'${name}'`;
}
