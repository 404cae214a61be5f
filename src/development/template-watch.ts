/** Template files go into the database as they are saved. One that is wrong is told of, and its last good version stays. */
import { watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { Pool } from 'pg';
import { ConfigurationError } from '../errors.ts';
import { syncTemplates, type TemplateChange } from '../templates/catalog.ts';
import { checkTemplate } from '../templates/check.ts';
import { readTemplates } from '../templates/files.ts';
import type { TemplateIssue } from '../templates/template-file.ts';

export interface SyncReport {
  /** Files that can be used. */
  readonly templates: number;
  /** Without those that did not change. */
  readonly changes: readonly TemplateChange[];
  readonly issues: readonly TemplateIssue[];
}

/** Editors write a file in several steps. */
const settleMs = 80;

/** Puts the good files of a folder into the database. A folder without files is nothing wrong: they will come. */
export async function syncFolder(pool: Pool, folder: string): Promise<SyncReport> {
  const { sources, issues } = await readTemplates(folder).catch((error: unknown) => {
    if (error instanceof ConfigurationError && error.message.includes('holds no template'))
      return { sources: [], issues: [] };
    throw error;
  });
  const checked = sources.map((source) => ({ source, issues: checkTemplate(source) }));
  const good = checked
    .filter((each) => each.issues.every(({ severity }) => severity !== 'error'))
    .map(({ source }) => source);
  const changes = await syncTemplates(pool, good);
  return {
    templates: good.length,
    changes: changes.filter(({ change }) => change !== 'unchanged' && change !== 'missing'),
    issues: [...issues, ...checked.flatMap((each) => each.issues)],
  };
}

export interface TemplateWatch {
  /** Ends after the synchronisation under way. */
  readonly close: () => Promise<void>;
}

/** Synchronises now and after every change. Makes the folder where there is none. */
export async function watchTemplates(
  pool: Pool,
  folder: string,
  {
    onReport,
    onError,
  }: { readonly onReport: (report: SyncReport) => void; readonly onError: (error: unknown) => void },
): Promise<TemplateWatch> {
  await mkdir(folder, { recursive: true });
  let timer: NodeJS.Timeout | undefined;
  let syncing: Promise<void> = Promise.resolve();
  const sync = () => {
    syncing = syncing.then(() => syncFolder(pool, folder).then(onReport, onError));
  };
  const watcher = watch(folder, () => {
    clearTimeout(timer);
    timer = setTimeout(sync, settleMs);
  });
  watcher.on('error', onError);
  sync();
  await syncing;
  return {
    close: async () => {
      watcher.close();
      clearTimeout(timer);
      await syncing;
    },
  };
}
