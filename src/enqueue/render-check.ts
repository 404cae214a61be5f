/** Renders a notification before it is written: what cannot be rendered fails the call, not the delivery. */
import type { Connection } from '../database/caller-transaction.ts';
import { InvalidNotificationError } from '../errors.ts';
import { chooseText, type LanguageText } from '../templates/choose-text.ts';
import { createRenderer, RenderError, type Renderer } from '../templates/render.ts';
import type { Recipient } from '../vocabulary.ts';
import type { CurrentTemplate, CurrentTemplates } from './current-templates.ts';
import type { StoredNotification } from './notification.ts';

/** A notification, and one of its recipients. */
export interface RenderCheckInput {
  readonly stored: StoredNotification;
  readonly recipient: Recipient;
}

/** Helpers, blocks and data are what can fail; labels alone cannot, unless they are long together. */
const fallible = /\{\{[^{}]*\b(?:data|date|number|plural|first|more|url|paragraphs|lookup|each|with)\b/;
/** Characters of all labels together. */
const longLabels = 2_000;

/** The worker's brand, which only it knows. Every valid one renders in the same way. */
const brand = { appName: 'Application', baseUrl: 'https://application.example' };

/**
 * Returns a function that renders what a notification would say to one of its recipients, where that can fail.
 * @throws {InvalidNotificationError} (the function) if it cannot be rendered.
 */
export function createRenderCheck(templates: CurrentTemplates) {
  const render = createRenderer();

  async function check(tx: Connection, name: string, input: RenderCheckInput): Promise<string | null> {
    const template = await templates.read(tx, name);
    return template === null ? null : problemOf(render, template, input);
  }

  return async (tx: Connection, name: string, input: RenderCheckInput): Promise<void> => {
    if ((await check(tx, name, input)) === null) return;
    // A sync may have changed the text since it was read: only the present one refuses.
    templates.forget(name);
    const problem = await check(tx, name, input);
    if (problem !== null) throw new InvalidNotificationError([{ path: '', message: problem }]);
  };
}

function problemOf(
  render: Renderer,
  template: CurrentTemplate,
  { stored, recipient }: RenderCheckInput,
): string | null {
  const labels = stored['labels'] as Record<string, string>;
  // The database says which labels are missing.
  if (
    !canFail(chooseText(template, recipient.locale), labels) ||
    !template.labels.every((name) => Object.hasOwn(labels, name))
  )
    return null;
  try {
    render({ template, recipient, labels, data: stored['data'] ?? null, brand, createdAt: new Date() });
    return null;
  } catch (error) {
    if (error instanceof RenderError) return error.message;
    throw error;
  }
}

function canFail({ title, body, actions }: LanguageText, labels: Readonly<Record<string, string>>): boolean {
  if (Object.values(labels).reduce((sum, label) => sum + label.length, 0) > longLabels) return true;
  return fallible.test(title) || fallible.test(body) || actions.some(({ label, url }) => fallible.test(label + url));
}
