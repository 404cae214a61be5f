/**
 * The public API is closed and documented: every export of every sub-path and every member of a public type has a doc
 * comment, and every type of ours that a public signature uses is exported. Read from the declarations that the package
 * ships, so that inferred types count as well.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const client = ['inbox-client/index', 'inbox-client/element/index', 'inbox-client/react'];
const entries = [
  ...['index', 'database/schema', 'console/index', 'inbox/index', 'recipients/index', 'reports/index', 'testing/index'],
  ...client,
];

type Node = { readonly type: string; readonly start: number; readonly end: number } & Record<string, unknown>;

/** A declaration file: its declarations and imports by name. */
interface DeclarationFile {
  readonly path: string;
  readonly declared: ReadonlyMap<string, readonly Declaration[]>;
  /** Imported and re-exported names, with the file that they come from. */
  readonly imported: ReadonlyMap<string, { readonly file: string; readonly name: string }>;
  readonly exported: ReadonlyMap<string, string>;
}

interface Declaration {
  readonly name: string;
  readonly node: Node;
  readonly comment: string | null;
  readonly commentOf: (node: Node) => string | null;
}

let folder = '';
const files = new Map<string, DeclarationFile>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pg-herald-declarations-'));
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  for (const project of ['tsconfig.build.json', 'src/inbox-client/tsconfig.json']) {
    const options = ['-p', join(root, project), '--emitDeclarationOnly', '--outDir', folder];
    execFileSync(process.execPath, [compiler, ...options], { stdio: 'inherit' });
  }
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the public API', () => {
  test('documents every export of every sub-path', () => {
    expect(
      publicDeclarations().flatMap(({ where, declarations }) => (isDocumented(declarations) ? [] : [where])),
    ).toEqual([]);
  });

  test('documents every member of a public type', () => {
    const missing = publicDeclarations().flatMap(({ where, declarations }) =>
      declarations.flatMap(({ node, commentOf }) =>
        membersOf(node).flatMap((member) => (commentOf(member) ? [] : [`${where}.${memberName(member)}`])),
      ),
    );
    expect(missing).toEqual([]);
  });

  test('exports every type that a public signature uses', () => {
    const known = new Set(publicDeclarations().map(({ id }) => id));
    const hidden = publicDeclarations().flatMap(({ where, path, declarations }) =>
      declarations.flatMap(({ node }) =>
        typesUsedBy(node, path)
          .filter((id) => !known.has(id))
          .map((id) => `${where} uses ${id}`),
      ),
    );
    expect([...new Set(hidden)].sort()).toEqual([]);
  });

  test('says what is thrown in one form: @throws {Type} if ...', () => {
    const wrong = publicDeclarations().flatMap(({ where, declarations }) =>
      declarations
        .flatMap(({ node, comment, commentOf }) => [comment, ...membersOf(node).map(commentOf)])
        .filter((comment) => comment !== null)
        .filter((comment) => /@throws(?! \{\w+\} if )/.test(comment) || /\bThrows\b/.test(comment))
        .map((comment) => `${where}: ${comment}`),
    );
    expect(wrong).toEqual([]);
  });

  test('has a map of the source in its head comment that names every entry', () => {
    const text = readFileSync(join(root, 'src/index.ts'), 'utf8');
    const map = text.slice(0, text.indexOf('*/'));
    const named = [...map.matchAll(/^ \* {3}(\S+)/gm)].map((match) => match[1] ?? '');
    const present = readdirSync(join(root, 'src'), { withFileTypes: true })
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
      .filter((name) => name !== 'index.ts');
    expect(named.toSorted()).toEqual(present.toSorted());
  });
});

/** Everything that the sub-paths export, with the declarations behind each name. */
function publicDeclarations(): { where: string; id: string; path: string; declarations: readonly Declaration[] }[] {
  return entries.flatMap((entry) => {
    const file = fileAt(join(folder, `${entry}.d.ts`));
    return [...file.exported.keys()].map((name) => {
      const found = resolve(file, name);
      if (found === null) throw new Error(`${entry} exports ${name}, which has no declaration`);
      return { where: `${entry}: ${name}`, ...found };
    });
  });
}

function resolve(
  file: DeclarationFile,
  name: string,
): { id: string; path: string; declarations: readonly Declaration[] } | null {
  const local = file.exported.get(name) ?? name;
  const declarations = file.declared.get(local);
  if (declarations) return { id: `${relative(folder, file.path)}#${local}`, path: file.path, declarations };
  const from = file.imported.get(local);
  return from ? resolve(fileAt(from.file), from.name) : null;
}

function fileAt(path: string): DeclarationFile {
  const known = files.get(path);
  if (known) return known;
  const read = readDeclarations(path);
  files.set(path, read);
  return read;
}

function readDeclarations(path: string): DeclarationFile {
  const text = readFileSync(path, 'utf8');
  const { program, comments } = parseSync(path, text);
  const commentOf = (node: Node): string | null => {
    const comment = comments.findLast((each) => each.end <= node.start);
    const adjacent = comment !== undefined && text.slice(comment.end, node.start).trim() === '';
    return adjacent && comment.value.startsWith('*') ? comment.value : null;
  };
  const declared = new Map<string, Declaration[]>();
  const imported = new Map<string, { file: string; name: string }>();
  const exported = new Map<string, string>();
  const declare = (node: Node, statement: Node, isExported: boolean) => {
    for (const { name, at } of declaredNames(node)) {
      declared.set(name, [...(declared.get(name) ?? []), { name, node: at, comment: commentOf(statement), commentOf }]);
      if (isExported) exported.set(name, name);
    }
  };
  for (const statement of program.body as unknown as Node[]) {
    const source = (statement['source'] as { value: string } | null)?.value;
    if (statement.type === 'ExportNamedDeclaration' && statement['declaration']) {
      declare(statement['declaration'] as Node, statement, true);
    } else if (statement.type === 'ImportDeclaration' || statement.type === 'ExportNamedDeclaration') {
      for (const specifier of statement['specifiers'] as Record<string, { name: string }>[]) {
        const outer = specifier['exported']?.name;
        const own = specifier['local']?.name ?? '';
        if (source?.startsWith('.')) {
          const name = statement.type === 'ImportDeclaration' ? (specifier['imported']?.name ?? own) : own;
          imported.set(outer ?? own, { file: declarationPath(path, source), name });
          if (outer) exported.set(outer, outer);
        } else if (outer && !source) exported.set(outer, own);
      }
    } else declare(statement, statement, false);
  }
  return { path, declared, imported, exported };
}

function declarationPath(from: string, source: string): string {
  const path = join(dirname(from), source.replace(/\.(ts|js)$/, '.d.ts'));
  if (!existsSync(path)) throw new Error(`${from} imports ${source}, which is not there`);
  return path;
}

function declaredNames(node: Node): { name: string; at: Node }[] {
  if (node.type === 'VariableDeclaration') {
    return (node['declarations'] as Node[]).map((at) => ({ name: (at['id'] as { name: string }).name, at }));
  }
  const name = (node['id'] as { name?: string } | null | undefined)?.name;
  return name === undefined ? [] : [{ name, at: node }];
}

function isDocumented(declarations: readonly Declaration[]): boolean {
  return declarations.some(({ comment }) => comment !== null);
}

/** Members of an interface, of a class, and of an alias of an object type. */
function membersOf(node: Node): Node[] {
  if (node.type === 'TSInterfaceDeclaration' || node.type === 'ClassDeclaration') {
    const members = (node['body'] as { body: Node[] }).body;
    return members.filter(
      (member) =>
        !['private', 'protected'].includes(String(member['accessibility'])) &&
        memberName(member) !== 'constructor' &&
        (member['key'] as Node | undefined)?.type !== 'PrivateIdentifier' &&
        member['override'] !== true,
    );
  }
  if (node.type !== 'TSTypeAliasDeclaration') return [];
  const aliased = node['typeAnnotation'] as Node;
  return aliased.type === 'TSTypeLiteral' ? (aliased['members'] as Node[]) : [];
}

function memberName(member: Node): string {
  return String((member['key'] as { name?: string } | undefined)?.name ?? member.type);
}

/** Ids of our own types that a declaration names. Type parameters and names of libraries are not ours. */
function typesUsedBy(declaration: Node, path: string): string[] {
  const file = fileAt(path);
  const found: string[] = [];
  const take = (from: DeclarationFile, name: string) => {
    const target = resolve(from, name);
    if (target !== null) found.push(target.id);
  };
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (typeof value !== 'object' || value === null) return;
    const node = value as Node;
    if (node.type === 'TSTypeReference') take(file, firstName(node['typeName'] as Node));
    if (node.type === 'TSInterfaceHeritage') take(file, firstName(node['expression'] as Node));
    if (node.type === 'TSTypeQuery') take(file, firstName(node['exprName'] as Node));
    if (node.type === 'TSImportType') {
      const source = (node['source'] as { value?: string } | undefined)?.value;
      if (source?.startsWith('.')) {
        take(fileAt(declarationPath(path, source)), firstName(node['qualifier'] as Node));
      }
    }
    for (const [key, child] of Object.entries(node)) if (key !== 'parent') visit(child);
  };
  visit(declaration);
  return found;
}

function firstName(node: Node | null): string {
  if (node === null || node === undefined) return '';
  return node.type === 'TSQualifiedName'
    ? firstName(node['left'] as Node)
    : ((node['name'] as string | undefined) ?? '');
}
