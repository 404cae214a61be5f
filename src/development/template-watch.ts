/**
 * Stores template files in the database whenever they are saved. An invalid file is reported, and its last good
 * version stays.
 */
import { watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { Pool } from 'pg';
import { syncTemplates, type TemplateChange } from '../templates/catalog.ts';
import { checkTemplate } from '../templates/check.ts';
import { readTemplates } from '../templates/files.ts';
import type { TemplateIssue } from '../templates/template-file.ts';

/** What a synchronization did. */
export interface SyncReport {
  /** Number of valid files. */
  readonly templates: number;
  /** Only templates that changed. */
  readonly changes: readonly TemplateChange[];
  readonly issues: readonly TemplateIssue[];
}

/** Editors save a file in several steps; wait for the last one, in milliseconds. */
const settleMs = 80;

/** Stores the valid files of a folder in the database. An empty folder is not an error: files will follow. */
export async function syncFolder(pool: Pool, folder: string): Promise<SyncReport> {
  const { sources, issues } = await readTemplates(folder, { allowEmpty: true });
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

/** A running watch. */
export interface TemplateWatch {
  /** Resolves when the current synchronization has finished. */
  readonly close: () => Promise<void>;
}

/** Synchronizes now and after every change. Creates the folder if it is missing. */
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
