/** What happens between the checks without a database and the write: rendering, and the encryption of secret labels. */
import type { Connection } from '../database/caller-transaction.ts';
import { InvalidNotificationError } from '../errors.ts';
import type { EncryptLabels } from '../secrets.ts';
import type { Template } from '../templates/define.ts';
import type { Recipient } from '../vocabulary.ts';
import { createCurrentTemplates } from './current-templates.ts';
import type { StoredNotification } from './notification.ts';
import { createRenderCheck } from './render-check.ts';
import { sealLabels } from './secret-labels.ts';

/** How secret labels are stored. */
export interface PreparationOptions {
  readonly encryptLabels?: EncryptLabels;
  readonly allowPlainSecrets?: boolean;
}

/** A notification that passed the checks without a database, and the recipient to render it for. */
export interface CheckedNotification {
  readonly checked: StoredNotification;
  readonly recipient?: Recipient | undefined;
}

/** Creates the preparation, which remembers templates. */
export function createPreparation({ encryptLabels, allowPlainSecrets = false }: PreparationOptions) {
  const templates = createCurrentTemplates();
  const checkRendering = createRenderCheck(templates);
  const plainAllowed = allowPlainSecrets && encryptLabels === undefined;
  return {
    /** @throws {InvalidNotificationError} if it cannot be rendered. */
    async prepare(tx: Connection, template: Template, { checked, recipient }: CheckedNotification) {
      await checkRendering(tx, template.name, { stored: checked, recipient: recipient ?? { id: 'recipient' } });
      const declared = (await templates.read(tx, template.name))?.secrets ?? [];
      const stored = plainAllowed ? { ...checked, allowPlainSecrets: true } : checked;
      return sealLabels(encryptLabels, template, { stored, declared });
    },
    /** Runs an enqueue. If it is refused, the next one reads the template again: a sync may have changed it. */
    async forgetIfRefused<T>(template: Template, enqueue: () => Promise<T>): Promise<T> {
      try {
        return await enqueue();
      } catch (error) {
        if (error instanceof InvalidNotificationError) templates.forget(template.name);
        throw error;
      }
    },
  };
}
