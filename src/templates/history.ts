/** Reads a template's versions from the database, for the console and the CLI. */
import type { Pool } from 'pg';
import type { JsonValue, Recipient } from '../vocabulary.ts';
import type { TemplateTexts } from './render.ts';
import type { TemplateStep } from './steps.ts';
import { storedTextColumns } from './stored-texts.ts';

/** One version of a template. */
export interface TemplateVersion extends TemplateTexts {
  readonly version: number;
  /** Of the default language. */
  readonly language: string;
  readonly labels: readonly string[];
  readonly secrets: readonly string[];
  readonly createdAt: Date;
}

/** The example of a stored template. */
export interface StoredExample {
  readonly recipient: Recipient;
  readonly labels: Readonly<Record<string, string>>;
  readonly data: JsonValue;
}

/** A template with all its versions. */
export interface TemplateHistory {
  readonly name: string;
  readonly group: string;
  readonly kind: string;
  readonly currentVersion: number;
  readonly enabled: boolean;
  readonly enabledByDefault: boolean;
  readonly mandatory: boolean;
  readonly methods: readonly string[] | null;
  readonly methodsOverride: readonly string[] | null;
  readonly ttlSeconds: number | null;
  readonly unknown: 'retry' | 'hold';
  readonly sender: string | null;
  readonly guard: string | null;
  readonly steps: readonly TemplateStep[] | null;
  readonly example: StoredExample | null;
  /** Newest first, at most 500. */
  readonly versions: readonly TemplateVersion[];
}

/** Returns null if there is no such template. */
export async function readTemplateHistory(pool: Pick<Pool, 'query'>, name: string): Promise<TemplateHistory | null> {
  const [template, versions] = await Promise.all([
    pool.query<Omit<TemplateHistory, 'versions'>>(
      `SELECT name, "group", kind, current_version AS "currentVersion", enabled,
         enabled_by_default AS "enabledByDefault", mandatory, methods, methods_override AS "methodsOverride",
         ttl_seconds AS "ttlSeconds", unknown, sender, guard, steps, example
       FROM herald.template WHERE name = $1`,
      [name],
    ),
    pool.query<TemplateVersion>(
      `SELECT v.template AS name, ${storedTextColumns}, v.labels, v.secrets, v.created_at AS "createdAt"
       FROM herald.template_version v WHERE v.template = $1 ORDER BY v.version DESC LIMIT 500`,
      [name],
    ),
  ]);
  const [row] = template.rows;
  return row === undefined ? null : { ...row, versions: versions.rows };
}
