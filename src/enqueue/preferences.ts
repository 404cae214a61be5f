/** What recipients want, read and written in the caller's transaction. A later enqueue sees the change. */
import { type Connection, run } from '../database/caller-transaction.ts';
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

/**
 * Stores a choice. The database refuses an unknown template, group or method (HE001, HE004), and turning off a
 * mandatory template (HE006).
 */
export async function setPreference(tx: Connection, preference: Preference): Promise<void> {
  const { template, group } = preference;
  const [scope, subject] =
    template !== undefined ? ['template', template] : group !== undefined ? ['group', group] : ['all', ''];
  const refusals = await run<{ method: string; status: string; reason: string }>(tx, {
    text: `SELECT place AS method, 'refused' AS status, message AS reason
      FROM herald.try_preference($1::text, $2::text, $3::text, $4::text::boolean, $5::text)`,
    values: [
      preference.recipientId,
      scope,
      subject,
      preference.enabled === null ? null : String(preference.enabled),
      preference.method ?? '*',
    ],
  });
  throwRefusal(refusals);
}

/** Returns one row per template and method that the template uses. */
export async function preferencesOf(tx: Connection, recipientId: string): Promise<EffectivePreference[]> {
  return run<EffectivePreference>(tx, {
    text: `SELECT template, template_group AS "group", method, enabled, mandatory, decided_by AS "decidedBy"
      FROM herald.preferences($1::text)`,
    values: [recipientId],
  });
}
