/** All pages behind the door. */
import type { Hono } from 'hono';
import type { ConsoleEnv, Services } from '../services.ts';
import { addAudit } from './audit.ts';
import { addCaught } from './captured.ts';
import { addEndpoints } from './endpoints.ts';
import { addLive } from './live.ts';
import { addMessage } from './message.ts';
import { addBulk } from './bulk.ts';
import { addMessages } from './messages.ts';
import { addMethodActions } from './method-actions.ts';
import { addOverview } from './overview.ts';
import { addPreview } from './preview.ts';
import { addRecipients } from './recipients.ts';
import { addSuppressions } from './suppressions.ts';
import { addTemplates } from './templates.ts';

export function addPages(app: Hono<ConsoleEnv>, services: Services): void {
  addOverview(app, services);
  addMethodActions(app, services);
  addMessages(app, services);
  addBulk(app, services);
  addMessage(app, services);
  addTemplates(app, services);
  addPreview(app, services);
  addEndpoints(app, services);
  addRecipients(app, services);
  addSuppressions(app, services);
  addAudit(app, services);
  addCaught(app, services);
  addLive(app, services);
}
