/** The template that everything is measured with: one of those that come with the package. */
import * as v from 'valibot';
import { defineTemplate } from '../src/templates/define.ts';
import { templateName } from './backlog.ts';

export const shippedTemplate = defineTemplate({
  name: templateName,
  labels: v.object({ workspace: v.string(), reason: v.string(), initiator: v.string() }),
});
