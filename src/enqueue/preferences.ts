/** What recipients want, read and written in the caller's transaction. A later enqueue sees the change. */
import * as v from 'valibot';
import { type Connection, run } from '../database/caller-transaction.ts';
import { InvalidNotificationError } from '../errors.ts';
import { bounds } from './bounds.ts';
import { issueOf, line } from './option-rules.ts';
import { throwRefusal } from './sql-errors.ts';

/**
 * A choice of a recipient. The most specific one decides: template before group before all, a named method before all
 * methods.
 */
export interface Preference {
  /** Id of the recipient. */
  readonly recipientId: string;
  /** What it is about; without `template` and `group`: everything. */
  readonly template?: string;
  /** A group of templates; or `template`. */
  readonly group?: string;
  /** Default: every method. */
  readonly method?: string;
  /** null removes the choice, so that the default applies again. */
  readonly enabled: boolean | null;
}

/** Whether a recipient gets a template by a method at present, and which rule decides it. */
export interface EffectivePreference {
  /** Name of the template. */
  readonly template: string;
  /** Group of the template. */
  readonly group: string;
  /** For example `smtp`. */
  readonly method: string;
  /** Whether the recipient receives it. */
  readonly enabled: boolean;
  /** Whether the recipient cannot disable it. */
  readonly mandatory: boolean;
  /** The rule that decided. */
  readonly decidedBy: 'template_disabled' | 'method_disabled' | 'mandatory' | 'preference' | 'default';
}

const recipientIdSchema = line(bounds.recipient.id);
const preferenceSchema = v.strictObject({
  recipientId: recipientIdSchema,
  template: v.optional(line(bounds.templateName)),
  group: v.optional(line(bounds.groupName)),
  method: v.optional(line(bounds.method)),
  enabled: v.nullable(v.boolean()),
});

function checked<Schema extends v.GenericSchema>(schema: Schema, input: unknown): v.InferOutput<Schema> {
  const result = v.safeParse(schema, input);
  if (!result.success) throw new InvalidNotificationError(result.issues.map(issueOf));
  return result.output;
}

/** Who changes a preference, for its history: the application's code, or an operator. */
export type PreferenceChanger = 'api' | 'operator';

/**
 * Stores a choice. The database refuses an unknown template, group or method (HE001, HE004), and turning off a
 * mandatory template (HE006).
 */
export async function setPreference(
  tx: Connection,
  preference: Preference,
  changedBy: PreferenceChanger = 'api',
): Promise<void> {
  const { template, group, ...choice } = checked(preferenceSchema, preference);
  const [scope, subject] =
    template !== undefined ? ['template', template] : group !== undefined ? ['group', group] : ['all', ''];
  const refusals = await run<{ method: string; status: string; reason: string }>(tx, {
    text: `SELECT place AS method, 'refused' AS status, message AS reason
      FROM herald.try_preference($1::text, $2::text, $3::text, $4::text::boolean, $5::text, $6::text)`,
    values: [
      choice.recipientId,
      scope,
      subject,
      choice.enabled === null ? null : String(choice.enabled),
      choice.method ?? '*',
      changedBy,
    ],
  });
  throwRefusal(refusals);
}

/** Returns one row per template and method that the template uses. */
export async function preferencesOf(tx: Connection, recipientId: string): Promise<EffectivePreference[]> {
  return run<EffectivePreference>(tx, {
    text: `SELECT template, template_group AS "group", method, enabled, mandatory, decided_by AS "decidedBy"
      FROM herald.preferences($1::text)`,
    values: [checked(recipientIdSchema, recipientId)],
  });
}
