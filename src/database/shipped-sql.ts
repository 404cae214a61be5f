/**
 * The SQL that the package ships. This module reads it from the source tree; scripts/build.ts replaces it in `dist/`
 * by one that holds the same texts as constants, so that a bundler needs no files beside the code.
 */
import { readFileSync } from 'node:fs';
import { functionFiles } from './functions/index.ts';

/** One SQL file. */
export interface SqlFile {
  /** File name without `.sql`, for example `0000_tables`. */
  readonly name: string;
  readonly sql: string;
}

/** All SQL of one release. */
export interface ShippedSql {
  /** The version of the package. */
  readonly release: string;
  /** The files of `drizzle/`: tables and indexes, in the order in which they apply. */
  readonly tables: readonly SqlFile[];
  /** The files of `functions/`, in the order in which they apply. */
  readonly functions: readonly SqlFile[];
  /** Creates the roles. */
  readonly roles: string;
  /** Grants the roles their rights. */
  readonly grants: string;
  /** Creates the policies for the role of a tenant. */
  readonly rowLevelSecurity: string;
}

/** Returns the SQL of this release. */
export function shippedSql(): ShippedSql {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
  const manifest = JSON.parse(read('../../package.json')) as { version: string };
  const journal = JSON.parse(read('../../drizzle/meta/_journal.json')) as { entries: { tag: string }[] };
  return {
    release: manifest.version,
    tables: journal.entries.map(({ tag }) => ({ name: tag, sql: read(`../../drizzle/${tag}.sql`) })),
    functions: functionFiles.map((name) => ({ name, sql: read(`functions/${name}.sql`) })),
    roles: read('roles.sql'),
    grants: read('grants.sql'),
    rowLevelSecurity: read('row-level-security.sql'),
  };
}
