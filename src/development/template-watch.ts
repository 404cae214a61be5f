/**
 * Stores template files in the database whenever they are saved. An invalid file is reported, and its last good
 * version stays.
 */
import { type FSWatcher, watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Pool } from 'pg';
import { syncTemplates, type TemplateChange } from '../templates/catalog.ts';
import { checkTemplate } from '../templates/check.ts';
import { readTemplates } from '../templates/files.ts';
import type { TemplateIssue } from '../templates/template-file.ts';
import { writeTypesFile } from '../templates/types-file.ts';
import { wordsFolder } from '../templates/words-file.ts';

/** What a synchronization did. */
export interface SyncReport {
  /** Number of valid files. */
  readonly templates: number;
  /** Only templates that changed. */
  readonly changes: readonly TemplateChange[];
  readonly issues: readonly TemplateIssue[];
  /** Whether the file of their types was written. */
  readonly typesWritten: boolean;
}

/** A folder of templates, and the file that their types are written to. */
export interface WatchedTemplates {
  readonly folder: string;
  /** Null: no file is written. */
  readonly typesFile: string | null;
}

/** Editors save a file in several steps; wait for the last one, in milliseconds. */
const settleMs = 80;

/** Stores the valid files of a folder in the database. An empty folder is not an error: files will follow. */
export async function syncFolder(pool: Pool, { folder, typesFile }: WatchedTemplates): Promise<SyncReport> {
  const { sources, issues } = await readTemplates(folder, { allowEmpty: true });
  const checked = sources.map((source) => ({ source, issues: checkTemplate(source) }));
  const good = checked
    .filter((each) => each.issues.every(({ severity }) => severity !== 'error'))
    .map(({ source }) => source);
  const changes = await syncTemplates(pool, good);
  const allIssues = [...issues, ...checked.flatMap((each) => each.issues)];
  // Code that uses a template must go on compiling while its file has an error.
  const complete = good.length > 0 && allIssues.every(({ severity }) => severity !== 'error');
  return {
    templates: good.length,
    changes: changes.filter(({ change }) => change !== 'unchanged' && change !== 'missing'),
    issues: allIssues,
    typesWritten: typesFile !== null && complete && (await writeTypesFile(typesFile, good)),
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
  watched: WatchedTemplates,
  {
    onReport,
    onError,
  }: { readonly onReport: (report: SyncReport) => void; readonly onError: (error: unknown) => void },
): Promise<TemplateWatch> {
  const { folder, typesFile } = watched;
  await mkdir(folder, { recursive: true });
  let timer: NodeJS.Timeout | undefined;
  let syncing: Promise<void> = Promise.resolve();
  let words: FSWatcher | null = null;
  const sync = () => {
    words ??= watchIfThere(join(folder, wordsFolder), changed, () => (words = null));
    syncing = syncing.then(() => syncFolder(pool, watched).then(onReport, onError));
  };
  const changed = (file: string | null) => {
    if (typesFile !== null && file === basename(typesFile)) return;
    clearTimeout(timer);
    timer = setTimeout(sync, settleMs);
  };
  const watcher = watch(folder, (_, file) => changed(file));
  watcher.on('error', onError);
  sync();
  await syncing;
  return {
    close: async () => {
      watcher.close();
      words?.close();
      clearTimeout(timer);
      await syncing;
    },
  };
}

/** Watches a subfolder, which may appear and disappear. Returns null if there is none. */
function watchIfThere(folder: string, changed: (file: string | null) => void, onGone: () => void): FSWatcher | null {
  try {
    const watcher = watch(folder, (_, file) => {
      // A folder that is removed reports its own name.
      if (file === basename(folder)) {
        watcher.close();
        onGone();
      }
      changed(file);
    });
    return watcher.on('error', onGone);
  } catch {
    return null;
  }
}
