/** Parses source text into the tree of `syntax.ts`, with Handlebars' parser. The only user of Handlebars. */
import Handlebars from 'handlebars';
import { formatterRules } from './formatters.ts';
import type { HbBlock, HbCall, HbLiteral, HbMustache, HbNode, HbPath, HbProgram } from './parse-tree.ts';
import { suggestion } from './nearest.ts';
import { limitProblem } from './source-limits.ts';
import {
  type Call,
  type Expression,
  type InsertedAs,
  type Part,
  type Path,
  type Position,
  type SyntaxProblem,
  recipientFields,
  rootNames,
  type Syntax,
} from './syntax.ts';

/** Parses one source text. Never throws for a text; the text is not run. */
export function parseSyntax(source: string): Syntax {
  // Handlebars.parse also accepts a syntax tree; data must not be able to supply one.
  if (typeof source !== 'string') throw new TypeError('a template source must be a string');
  const limit = limitProblem(source);
  if (limit !== null) return { parts: [], problems: [limit] };
  try {
    // The parser's tree is loosely typed; `Reader` looks at the `type` of every node.
    const program = Handlebars.parse(source) as unknown as HbProgram;
    const reader = new Reader();
    const parts = reader.program(program, rootScope);
    return { parts, problems: reader.problems };
  } catch (error) {
    return { parts: [], problems: [parserProblem(error, source)] };
  }
}

/** Handlebars' messages are drawings of several lines, which show the column with an arrow. */
function parserProblem(error: unknown, source: string): SyntaxProblem {
  // Not a message for people: the parser expects the name of a block to be a path.
  if (error instanceof TypeError || error instanceof RangeError) return literalBlock(source);
  const { message, lineNumber, column } = error as { message: string; lineNumber?: number; column?: number };
  const drawn = /^(?:Parse|Lexical) error on line (\d+)[^\n]*\n[^\n]*\n(-*)\^\n?(.*)$/s.exec(message);
  if (drawn) {
    const got = /got '(\w+)'/.exec(drawn[3] ?? '')?.[1];
    const what = got === 'EOF' ? 'a block is opened and never closed' : 'this is not valid Handlebars';
    return { line: Number(drawn[1]), column: (drawn[2]?.length ?? 0) + 1, message: what };
  }
  return { line: lineNumber ?? 1, column: (column ?? 0) + 1, message: message.replace(/ - \d+:\d+$/, '') };
}

function literalBlock(source: string): SyntaxProblem {
  const before = source
    .slice(0, Math.max(source.search(/\{\{~?[#^]\s*(?:null|undefined|true|false|["'\d-])/), 0))
    .split('\n');
  const position = { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  return { ...position, message: `this is not a block; known: ${blockNames.join(', ')}` };
}

/** What names mean at one point of the source. Every `each` and `with` opens a new scope. */
interface Scope {
  readonly frame: number;
  readonly at: readonly string[] | null;
  readonly loop: boolean;
  readonly names: readonly string[];
  readonly parent: Scope | null;
}

const rootScope: Scope = { frame: 0, at: [], loop: false, names: [], parent: null };
const blockNames = ['if', 'unless', 'each', 'with'] as const;

function isBlockName(name: string): name is (typeof blockNames)[number] {
  return (blockNames as readonly string[]).includes(name);
}

/** Converts Handlebars' tree to ours and collects every problem on the way. */
class Reader {
  readonly problems: SyntaxProblem[] = [];

  program(program: HbProgram | undefined, scope: Scope): Part[] {
    return (program?.body ?? []).flatMap((node) => this.#statement(node, scope) ?? []);
  }

  #statement(node: HbNode, scope: Scope): Part | null {
    switch (node.type) {
      case 'ContentStatement':
        return { kind: 'text', text: (node as HbNode & { value: string }).value };
      case 'CommentStatement':
        return null;
      case 'MustacheStatement':
        return this.#mustache(node as HbMustache, scope);
      case 'BlockStatement':
        return this.#block(node as HbBlock, scope);
      default:
        return this.#refuse(node, 'partials and decorators are not supported; write the text here');
    }
  }

  #mustache(node: HbMustache, scope: Scope): Part | null {
    if (!node.escaped) return this.#refuse(node, 'raw output ({{{ }}} or {{& }}) is not allowed; use {{ }}');
    if (node.path.type !== 'PathExpression') return this.#refuse(node, 'write this text without braces');
    const expression = this.#expression(isCall(node) ? { ...node, type: 'SubExpression' } : node.path, scope, true);
    return expression && { kind: 'value', expression, as: insertedAs(expression), position: positionOf(node) };
  }

  #block(node: HbBlock, scope: Scope): Part | null {
    const name = writtenName(node.path);
    if (!isBlockName(name)) {
      return this.#refuse(
        node,
        `there is no block {{#${name}}}${suggestion(name, blockNames)}; known: ${blockNames.join(', ')}`,
      );
    }
    const [first, ...more] = node.params;
    if (!first || more.length > 0 || (node.hash?.pairs.length ?? 0) > 0) {
      return this.#refuse(node, `{{#${name}}} takes exactly one argument`);
    }
    const subject = this.#expression(first, scope, false);
    if (!subject) return null;
    const inner = name === 'each' || name === 'with' ? this.#inner(name, subject, node, scope) : scope;
    const body = this.program(node.program, inner);
    return {
      kind: 'block',
      name,
      subject,
      body,
      otherwise: this.program(node.inverse, scope),
      position: positionOf(node),
    };
  }

  #inner(name: 'each' | 'with', subject: Expression, node: HbBlock, scope: Scope): Scope {
    const list = subject.kind === 'call' && subject.name === 'first' ? subject.args[0] : subject;
    const at = list?.kind === 'path' && list.field === 'value' ? list.absolute : null;
    if (at?.length === 1 && at[0] === 'labels') {
      this.#refuse(node, `{{#${name} labels}} is not allowed: name each label, so that it can be checked`);
    }
    const inside = at && (name === 'each' ? [...at, '[]'] : at);
    const names = node.program?.blockParams ?? [];
    return { frame: scope.frame + 1, at: inside, loop: name === 'each', names, parent: scope };
  }

  #expression(node: HbNode, scope: Scope, outermost: boolean): Expression | null {
    switch (node.type) {
      case 'PathExpression':
        return this.#path(node as HbPath, scope);
      case 'SubExpression':
        return this.#call(node as HbCall, scope, outermost);
      case 'StringLiteral':
      case 'NumberLiteral':
      case 'BooleanLiteral':
        return { kind: 'literal', value: (node as HbLiteral).value };
      case 'NullLiteral':
        return { kind: 'literal', value: null };
      default:
        return this.#refuse(node, 'this kind of value is not supported');
    }
  }

  #call(node: HbCall, scope: Scope, outermost: boolean): Call | null {
    const name = writtenName(node.path);
    const rule = Object.hasOwn(formatterRules, name) ? formatterRules[name] : undefined;
    if (!rule) {
      const known = Object.keys(formatterRules);
      return this.#refuse(node, `there is no helper "${name}"${suggestion(name, known)}; known: ${known.join(', ')}`);
    }
    if (rule.inserts && !outermost) return this.#refuse(node, `"${name}" cannot be used inside another helper`);
    const [least, most] = rule.args;
    if (node.params.length < least || node.params.length > most) {
      return this.#refuse(
        node,
        `"${name}" takes ${least === most ? least : `${least} to ${most}`} arguments; ${rule.usage}`,
      );
    }
    const names = (node.hash?.pairs ?? []).map(({ key }) => key);
    const problem = rule.problem?.(node.params.length, names) ?? null;
    if (problem !== null) return this.#refuse(node, `${problem}; ${rule.usage}`);
    const options = new Map<string, Expression>();
    for (const { key, value } of node.hash?.pairs ?? []) {
      if (!rule.options.includes(key)) this.#refuse(node, `"${name}" has no option "${key}"; ${rule.usage}`);
      const option = this.#expression(value, scope, false);
      if (option) options.set(key, option);
    }
    const args = node.params.flatMap((param) => this.#expression(param, scope, false) ?? []);
    const byName = name === 'lookup' && isText(args[1]);
    if ([...args.slice(byName ? 1 : 0), ...options.values()].some(isAllLabels)) {
      return this.#refuse(node, 'labels can only be looked up by name: {{lookup labels "name"}}');
    }
    return { kind: 'call', name, args, options, position: positionOf(node) };
  }

  #path(node: HbPath, scope: Scope): Path | null {
    return node.data ? this.#loopVariable(node, scope) : this.#lookUp(node, scope);
  }

  #lookUp(node: HbPath, scope: Scope): Path | null {
    const [first, ...rest] = node.parts;
    const named = first === undefined || /^(this\b|\.)/.test(node.original) ? null : findName(first, scope);
    if (named) {
      return this.#found(node, named.scope, { field: named.position === 0 ? 'value' : 'key', parts: rest });
    }
    let at: Scope | null = scope;
    for (let up = 0; up < node.depth && at; up += 1) at = at.parent;
    if (!at) return this.#refuse(node, `${node.original}: there is no enclosing block that far out`);
    return this.#found(node, at, { field: 'value', parts: node.parts });
  }

  #loopVariable(node: HbPath, scope: Scope): Path | null {
    const [name = '', ...parts] = node.parts;
    if (name === 'root') return this.#found(node, rootScope, { field: 'value', parts });
    let at: Scope | null = scope;
    for (let loops = 0; at && (!at.loop || loops++ < node.depth); ) at = at.parent;
    if (name !== 'index' && name !== 'key' && name !== 'first' && name !== 'last') {
      return this.#refuse(node, `there is no @${name}; known: @index, @key, @first, @last, @root`);
    }
    return at
      ? this.#found(node, at, { field: name, parts })
      : this.#refuse(node, `@${name} is only available inside {{#each}}`);
  }

  #found(node: HbPath, scope: Scope, target: Pick<Path, 'field' | 'parts'>): Path {
    const absolute = target.field === 'value' && scope.at ? [...scope.at, ...target.parts] : null;
    const problem = absolute && (absolute.length === 0 ? wholeRoot : unknownName(absolute));
    if (problem) this.#refuse(node, problem);
    return {
      kind: 'path',
      frame: scope.frame,
      ...target,
      absolute,
      written: node.original,
      position: positionOf(node),
    };
  }

  #refuse(node: HbNode, message: string): null {
    this.problems.push({ ...positionOf(node), message });
    return null;
  }
}

function isCall(node: HbCall): boolean {
  const name = writtenName(node.path);
  return node.params.length > 0 || (node.hash?.pairs.length ?? 0) > 0 || Object.hasOwn(formatterRules, name);
}

function insertedAs(expression: Expression): InsertedAs {
  if (expression.kind === 'call') return formatterRules[expression.name]?.inserts ?? 'text';
  // These are the operator's own settings, and whole URLs.
  return expression.kind === 'path' && /^(baseUrl|logoUrl)$/.test(expression.absolute?.join('.') ?? '')
    ? 'url'
    : 'text';
}

/** Returns what is wrong with a path from the root, or null. The fields of `data` are not known here. */
function unknownName([root, field, ...deeper]: readonly string[]): string | null {
  if (root === undefined || root === 'data') return null;
  if (!(rootNames as readonly string[]).includes(root)) {
    const close = suggestion(root, rootNames) || '; did you mean "labels.' + root + '"?';
    return `there is nothing called "${root}"${close}`;
  }
  if (field === undefined) return null;
  if (root === 'recipient' && !(recipientFields as readonly string[]).includes(field)) {
    return `a recipient has no "${field}"${suggestion(field, recipientFields)}; known: ${recipientFields.join(', ')}`;
  }
  const flat = root === 'labels' || root === 'recipient' || root === 'targets' ? deeper.length === 0 : false;
  return flat ? null : `"${[root, field, ...deeper].join('.')}" goes too deep: ${root} has no such fields`;
}

const wholeRoot = 'this stands for everything that a template sees; name a field, for example {{data.x}}';

function isAllLabels(expression: Expression): boolean {
  return expression.kind === 'path' && expression.absolute?.join('.') === 'labels';
}

function isText(expression: Expression | undefined): boolean {
  return expression?.kind === 'literal' && typeof expression.value === 'string';
}

function findName(name: string, scope: Scope | null): { scope: Scope; position: number } | null {
  if (!scope) return null;
  const position = scope.names.indexOf(name);
  return position >= 0 ? { scope, position } : findName(name, scope.parent);
}

function writtenName(path: HbPath | HbLiteral): string {
  return 'original' in path ? path.original : String(path.value);
}

function positionOf(node: HbNode): Position {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 };
}
