/** The later steps of a template: what is sent to whom has not reacted by then. */
import * as v from 'valibot';

/** What a step waits for: with it, the step is not sent. */
export const stepConditions = ['seen', 'read', 'acknowledged'] as const;
/** One of `stepConditions`. */
export type StepCondition = (typeof stepConditions)[number];

/** One later message of a notification. */
export interface TemplateStep {
  /** How long after the notification's start it is sent. */
  readonly afterSeconds: number;
  /** It is not sent if the recipient has done this by then; null: it is sent in any case. */
  readonly unless: StepCondition | null;
  /** In order of preference. */
  readonly methods: readonly string[];
  /** `all`: by every method; `first`: by the first one that can reach the recipient. */
  readonly fallback: 'all' | 'first';
}

/** Most steps of a template. */
export const maxSteps = 5;
/** The last moment of a step, in days: what it waits for must be known for as long. */
const maxDays = 30;

const secondsOf = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const isUnit = (unit: string): unit is keyof typeof secondsOf => unit in secondsOf;

/** `90s`, `15m`, `2h`, `3d` in seconds; null for anything else, and beyond 30 days. */
export function secondsAfter(text: string): number | null {
  const [, number = '', unit = ''] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  if (!isUnit(unit)) return null;
  const seconds = Number(number) * secondsOf[unit];
  return seconds >= 1 && seconds <= maxDays * secondsOf.d ? seconds : null;
}

/** `2 h`, `15 min`: the largest unit that leaves no remainder. */
export function durationText(seconds: number): string {
  for (const [unit, name] of [
    ['d', 'd'],
    ['h', 'h'],
    ['m', 'min'],
  ] as const)
    if (seconds % secondsOf[unit] === 0) return `${seconds / secondsOf[unit]} ${name}`;
  return `${seconds} s`;
}

/** What happens if the condition of a step holds, in words. */
export function stepText({ afterSeconds, unless, methods, fallback }: TemplateStep): string {
  const by = methods.join(fallback === 'first' ? ' or ' : ' and ');
  const condition = unless === null ? '' : `, unless ${unless}`;
  return `after ${durationText(afterSeconds)}${condition}: by ${by}`;
}

/** The schema of `then:` in a header. `methodList` is that of the header's own methods. */
export function stepsSchema(methodList: v.GenericSchema<unknown, string[]>) {
  const step = v.strictObject(
    {
      after: v.pipe(
        v.string('must be a duration such as 15m'),
        v.check((text) => secondsAfter(text) !== null, 'must be a duration such as 90s, 15m, 2h or 3d, 30d at most'),
      ),
      unless: v.optional(v.picklist(stepConditions, 'must be "seen", "read" or "acknowledged"')),
      methods: methodList,
      fallback: v.optional(v.picklist(['all', 'first'], 'must be "all" or "first"'), 'all'),
    },
    'must have after, methods and perhaps unless',
  );
  return v.pipe(
    v.array(step, 'must be a list'),
    v.maxLength(maxSteps, `must have at most ${maxSteps} entries`),
    v.check(
      (steps) => steps.every(({ after }, n) => n === 0 || isLater(after, steps[n - 1]?.after ?? '')),
      'must be in the order of "after", which counts from the start of the notification',
    ),
  );
}

function isLater(after: string, before: string): boolean {
  const [later, earlier] = [secondsAfter(after), secondsAfter(before)];
  return later === null || earlier === null || later > earlier;
}

/** One entry of `then:`, as it is written. */
export interface WrittenStep {
  readonly after: string;
  readonly unless?: StepCondition | undefined;
  readonly methods: readonly string[];
  readonly fallback: 'all' | 'first';
}

/** The steps of a valid header; null if it has none. */
export function stepsOf(written: readonly WrittenStep[]): readonly TemplateStep[] | null {
  if (written.length === 0) return null;
  return written.map(({ after, unless = null, methods, fallback }) => ({
    afterSeconds: secondsAfter(after) ?? 0,
    unless,
    methods,
    fallback,
  }));
}

/**
 * What is probably a mistake: a step that waits for the reading of an inbox item that nobody gets. Returns the number
 * of the step, from 0, and what is wrong.
 */
export function stepWarnings(
  steps: readonly TemplateStep[],
  methods: readonly string[] | null,
): readonly { readonly step: number; readonly message: string }[] {
  return steps.flatMap(({ unless }, step) => {
    const before = [...(methods ?? []), ...steps.slice(0, step).flatMap((each) => each.methods)];
    // Without methods of its own the template uses the application's defaults, which are not known here.
    if (methods === null || unless === null || unless === 'acknowledged' || before.includes('inbox')) return [];
    return [{ step, message: `"unless: ${unless}" needs an earlier message by inbox, which nothing before it has` }];
  });
}
