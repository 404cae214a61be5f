/** Whether each `plural` of a template has the forms that its language needs. */
import { languageName } from './locale.ts';
import { parseSyntax } from './parse.ts';
import { neededPlurals, pluralCategories, possiblePlurals } from './plurals.ts';
import type { Call, Position } from './syntax.ts';
import { issueAt, positionWithin, type TemplateIssue, type TemplateSource, textsOf } from './template-file.ts';
import { callsOf } from './walk.ts';

/** The issues of one language of a template. */
export function pluralIssues(source: TemplateSource): TemplateIssue[] {
  return textsOf(source).flatMap(({ where, text }) =>
    callsOf(parseSyntax(text).parts)
      .filter(({ name }) => name === 'plural')
      .flatMap((call) => issuesOf(call, source.language, (fault) => issueIn(source, where, call.position, fault))),
  );
}

type Fault = Parameters<typeof issueAt>[2];

function issueIn({ origin }: TemplateSource, where: string, position: Position, fault: Fault): TemplateIssue {
  const start = origin.positions[where] ?? { line: 1, column: 1 };
  return issueAt(origin.file, positionWithin(start, position), fault);
}

function issuesOf({ args, options }: Call, language: string, issue: (fault: Fault) => TemplateIssue): TemplateIssue[] {
  const needed = neededPlurals(language);
  const name = languageName(language);
  const given = args.length > 1 ? ['one', 'other'] : [...options.keys()];
  const missing = [...needed].filter(([category]) => !given.includes(category));
  const unused =
    args.length > 1 ? [] : given.filter((category) => !possiblePlurals(language).includes(category as never));
  const lacks = missing.map(([category, count]) => `"${category}" (as for ${count})`).join(' and ');
  const forms = pluralCategories.filter((category) => needed.has(category)).map((category) => `${category}="…"`);
  return [
    ...(missing.length > 0
      ? [issue({ message: `"plural" lacks the form ${lacks}, which ${name} has; write ${forms.join(' ')}` })]
      : []),
    ...unused.map((category) =>
      issue({ severity: 'warning', message: `"plural": ${name} has no form "${category}", so it is never used` }),
    ),
  ];
}
