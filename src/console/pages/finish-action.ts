/** What every action ends with: a record in the audit, a note for the operator, and the way back to a page. */
import { type AuditEntry, recordAudit } from '../../operate/audit.ts';
import { leaveNote } from '../cookies.ts';
import type { PageContext, Services } from '../services.ts';

/** What an action did. */
export interface FinishedAction {
  /** What is recorded under the operator's name. Null if nothing changed. */
  readonly audit: Omit<AuditEntry, 'actor'> | null;
  /** Shown once on the next page. */
  readonly note: string;
  /** Path of the next page, below the base path. */
  readonly to: string;
}

/** Records the action under the operator's name. */
export function recordAction(c: PageContext, { pool }: Services, entry: Omit<AuditEntry, 'actor'>): Promise<void> {
  return recordAudit(pool, { actor: c.get('operator').name, ...entry });
}

/** Records the action and leads to the next page. */
export async function finishAction(c: PageContext, services: Services, done: FinishedAction): Promise<Response> {
  if (done.audit !== null) await recordAction(c, services, done.audit);
  leaveNote(c, services, done.note);
  return c.redirect(`${services.settings.basePath}${done.to}`, 303);
}
