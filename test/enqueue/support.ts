/** What the tests of enqueue share: a database with templates of every kind, and short words for asking. */
import * as v from 'valibot';
import { expect } from 'vitest';
import { createHerald, type EnqueuedMessage } from '../../src/enqueue/enqueue.ts';
import type { Notification, NotificationOptions } from '../../src/enqueue/notification.ts';
import { InvalidNotificationError } from '../../src/errors.ts';
import { defineTemplate, type Template } from '../../src/templates/define.ts';
import { greeting, greetingFile, putTemplates } from '../support/application.ts';
import { createTestDatabase } from '../support/database.ts';

export const ada = { id: 'ada', email: 'ada@example.com', name: 'Ada' };
export const bob = { id: 'bob', email: 'bob@example.com' };

const withHeader = (line: string) => greetingFile.replace('group:', `${line}\ngroup:`);

const templateFiles = {
  greeting: greetingFile,
  both: withHeader('methods: [smtp, webhook]'),
  either: withHeader('methods: [smtp, webhook]\nfallback: first'),
  quiet: withHeader('enabledByDefault: false'),
  must: withHeader('mandatory: true'),
  brief: withHeader('ttlSeconds: 60'),
  code: withHeader('secrets: [code]').replace('welcome', 'your code is {{labels.code}}'),
};

/** A template of the application by the name of one of the files above. */
export const named = (name: keyof typeof templateFiles) =>
  defineTemplate({ name, labels: v.object({ who: v.string() }) });

/** `ada smtp pending`, `bob smtp preference` (inhibited by it), `ada smtp pending again` (deduplicated). */
export const outcomes = (messages: readonly EnqueuedMessage[]): string[] =>
  messages.map((m) => `${m.recipientId} ${m.method} ${m.reason ?? m.status}${m.deduplicated ? ' again' : ''}`);

/** The issues of an attempt that must be refused, as `path: message`. */
export async function issuesOf(attempt: Promise<unknown>): Promise<string[]> {
  const error = await attempt.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InvalidNotificationError);
  return (error as InvalidNotificationError).issues.map((issue) => `${issue.path}: ${issue.message}`);
}

export type Enqueueing = Awaited<ReturnType<typeof openEnqueueing>>;

const allColumns = `SELECT m.*, n.labels, n.data, n.actions, n.trace_context FROM herald.message m
  JOIN herald.notification n ON n.id = m.notification_id ORDER BY m.id`;

/** A database of its own with the templates above, and a herald. */
export async function openEnqueueing() {
  const database = await createTestDatabase();
  await putTemplates(database.pool, templateFiles);
  const herald = createHerald({ allowPlainSecrets: true });
  const { pool } = database;
  return {
    database,
    pool,
    herald,
    close: database.close,
    /** Greets Ada, unless told otherwise. */
    enqueue: (
      options: NotificationOptions & { to?: unknown; labels?: unknown; data?: unknown } = {},
      template: Template = greeting,
    ) =>
      herald.enqueue(pool, template, {
        autocommit: true,
        to: ada,
        labels: { who: 'Ada' },
        ...options,
      } as Notification<Template> & { autocommit: true }),
    count: async (what = 'herald.message'): Promise<number> =>
      (await pool.query(`SELECT count(*)::int AS n FROM ${what}`)).rows[0].n,
    rows: async () => (await pool.query(allColumns)).rows,
    /** Removes what a test wrote and undoes its switches. */
    reset: () =>
      pool.query(`TRUNCATE herald.message, herald.notification, herald.attempt, herald.preference, herald.suppression; DELETE FROM herald_queue.job;
        UPDATE herald.template SET enabled = true, methods_override = NULL; UPDATE herald.method SET enabled = true; DELETE FROM herald.setting`),
    /** Runs work on a client in a transaction that it ends itself, or that is rolled back. */
    async withClient<T>(work: (client: import('pg').PoolClient) => Promise<T>): Promise<T> {
      const client = await pool.connect();
      try {
        return await work(client);
      } finally {
        await client.query('ROLLBACK');
        client.release();
      }
    },
  };
}
