/** What the database says about templates at present, remembered for a short time. */
import { type Connection, run } from '../database/caller-transaction.ts';
import type { TemplateTexts } from '../templates/render.ts';

/** The current version of a template. */
export interface CurrentTemplate extends TemplateTexts {
  /** Names of the labels that it needs. */
  readonly labels: readonly string[];
  /** Names of its secret labels. */
  readonly secrets: readonly string[];
}

/** Reads templates in the caller's transaction. */
export interface CurrentTemplates {
  /** Returns null if the template does not exist: the enqueue is refused anyway. */
  read(tx: Connection, name: string): Promise<CurrentTemplate | null>;
  /** Makes the next `read` ask the database. */
  forget(name: string): void;
}

/** How long a template is used before it is read again, in milliseconds. */
const maxAgeMs = 60_000;
/** Templates that are remembered. */
const maxTemplates = 1_000;

/** Creates an empty memory. */
export function createCurrentTemplates(): CurrentTemplates {
  const known = new Map<string, { readonly template: CurrentTemplate; readonly readAt: number }>();
  return {
    async read(tx, name) {
      const cached = known.get(name);
      if (cached !== undefined && performance.now() - cached.readAt < maxAgeMs) return cached.template;
      // As text, because drivers differ in what they make of JSON.
      const statement = { text: 'SELECT herald.current_template($1)::text AS template', values: [name] };
      const [row] = await run<{ template: string | null }>(tx, statement);
      if (row === undefined || row.template === null) return null;
      const template = JSON.parse(row.template) as CurrentTemplate;
      if (known.size >= maxTemplates) known.clear();
      known.set(name, { template, readAt: performance.now() });
      return template;
    },
    forget: (name) => known.delete(name),
  };
}
