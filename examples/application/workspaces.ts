/** What the host application does: it deletes a workspace and tells the owner, both in one transaction. */
import { eq } from 'drizzle-orm';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import * as v from 'valibot';
import { createHerald, defineTemplate, type EnqueuedMessage } from '../../src/index.ts';
import { owner, workspace } from './schema.ts';

/** The typed side of templates/workspace-deleted.md. */
export const workspaceDeleted = defineTemplate({
  name: 'workspace-deleted',
  labels: v.object({ workspace: v.string(), reason: v.string(), initiator: v.string() }),
});

const herald = createHerald();

export interface Deletion {
  readonly id: string;
  readonly reason: string;
  /** Runs last in the transaction, with the number of messages; if it throws, nothing of all this has happened. */
  readonly confirm?: (enqueued: number) => void;
}

/** Deletes a workspace. Its owner is notified if, and only if, the deletion commits. */
export function deleteWorkspace(db: NodePgDatabase, { id, reason, confirm }: Deletion): Promise<EnqueuedMessage[]> {
  return db.transaction(async (tx) => {
    const [deleted] = await tx.delete(workspace).where(eq(workspace.id, id)).returning();
    if (deleted === undefined) throw new Error(`no workspace ${id}`);
    const [told] = await tx.select().from(owner).where(eq(owner.id, deleted.ownerId));
    if (told === undefined) throw new Error(`workspace ${id} has no owner`);
    const messages = await herald.enqueue(tx, workspaceDeleted, {
      to: { id: told.id, email: told.email, name: told.name },
      labels: { workspace: deleted.name, reason, initiator: 'the cleanup job' },
      methods: ['smtp', 'webhook', 'inbox'],
      targets: [deleted.id],
      dedupeKey: `workspace-deleted:${deleted.id}`,
      createdBy: 'example cleanup',
    });
    confirm?.(messages.length);
    return messages;
  });
}
