/** Once per run: one PostgreSQL server, and in it a template database with the project's own migrations applied. */
import { randomBytes } from 'node:crypto';
import type { TestProject } from 'vitest/node';
import { migrate } from '../../src/database/migrate.ts';
import { createDatabase, dropDatabases, dropLeftovers, freezeTemplate } from './postgres/databases.ts';
import { resolvePostgres, throwawaySettings } from './postgres/server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Connection string of a database from which others may be created. */
    readonly serverUrl: string;
    /** Prefix of the names of all databases of this run. */
    readonly databasePrefix: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await resolvePostgres({ settings: throwawaySettings });
  const prefix = `herald_test_${Math.floor(Date.now() / 1000)}_${randomBytes(3).toString('hex')}_`;
  const template = `${prefix}template`;
  try {
    await dropLeftovers(server.url);
    await migrate(await createDatabase(server.url, { name: template }));
    await freezeTemplate(server.url, template);
  } catch (error) {
    await dropDatabases(server.url, prefix).finally(server.stop);
    throw error;
  }
  project.provide('serverUrl', server.url);
  project.provide('databasePrefix', prefix);
  return () => dropDatabases(server.url, prefix).finally(server.stop);
}
