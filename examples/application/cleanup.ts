/** The nightly cleanup of the example's host application, and what it committed and rolled back. */
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from 'pg';
import { owner, workspace } from './schema.ts';
import { deleteWorkspace } from './workspaces.ts';

export interface Cleanup {
  /** Deletes three unused workspaces; the deletion of a fourth one is rolled back. */
  readonly run: () => Promise<void>;
  /** Creates another workspace and deletes it. */
  readonly deleteAnother: () => Promise<void>;
  readonly done: () => Deletions;
}

export interface Deletions {
  readonly workspaces: number;
  readonly rolledBack: number;
  /** Ids of the messages of committed deletions. */
  readonly committedIds: readonly string[];
  readonly rolledBackMessages: number;
}

/** Called with what the application did, for the screen. */
export type Report = (text: string, isCommitted: boolean) => void;

/** Creates the application's tables with a few workspaces. */
export async function createCleanup(pool: Pool, report: Report): Promise<Cleanup> {
  await createTables(pool);
  const db = drizzle(pool);
  const committedIds: string[] = [];
  let [workspaces, rolledBack, rolledBackMessages, scratches] = [0, 0, 0, 0];

  async function remove(id: string, reason: string): Promise<void> {
    const messages = await deleteWorkspace(db, { id, reason });
    workspaces += 1;
    committedIds.push(...messages.map((message) => message.id));
    report(`deleted ${id} and enqueued ${messages.map(({ method }) => method).join(' + ')}: committed`, true);
  }

  async function removeAndThrow(id: string, reason: string): Promise<void> {
    const confirm = (enqueued: number) => {
      rolledBackMessages += enqueued;
      throw new Error('the payroll team objects');
    };
    try {
      await deleteWorkspace(db, { id, reason, confirm });
    } catch (error) {
      rolledBack += 1;
      report(`deleted ${id} and enqueued: ${error instanceof Error ? error.message : ''}, rolled back`, false);
    }
  }

  return {
    async run() {
      for (const id of ['compiler', 'analytics', 'cobol']) await remove(id, unused);
      await removeAndThrow('payroll', unused);
    },
    async deleteAnother() {
      scratches += 1;
      const id = `scratch-${scratches}`;
      await db.insert(workspace).values({ id, name: id, ownerId: 'ada' });
      await remove(id, 'you pressed Enter');
    },
    done: () => ({ workspaces, rolledBack, committedIds, rolledBackMessages }),
  };
}

const unused = 'it was not used for 90 days';

async function createTables(pool: Pool): Promise<void> {
  await pool.query(`CREATE SCHEMA example;
    CREATE TABLE example.owner (id text PRIMARY KEY, name text NOT NULL, email text NOT NULL);
    CREATE TABLE example.workspace (id text PRIMARY KEY, name text NOT NULL,
      owner_id text NOT NULL REFERENCES example.owner, created_at timestamptz NOT NULL DEFAULT now());`);
  const db = drizzle(pool);
  await db.insert(owner).values([
    { id: 'ada', name: 'Ada Lovelace', email: 'ada@example.com' },
    { id: 'grace', name: 'Grace Hopper', email: 'grace@example.com' },
  ]);
  await db.insert(workspace).values([
    { id: 'compiler', name: 'compiler', ownerId: 'ada' },
    { id: 'analytics', name: 'analytics', ownerId: 'ada' },
    { id: 'payroll', name: 'payroll', ownerId: 'ada' },
    { id: 'cobol', name: 'cobol', ownerId: 'grace' },
  ]);
}
