/** All pages that require an operator. */
import type { Hono } from 'hono';
import { isUuid } from '../../vocabulary.ts';
import type { ConsoleEnv, Services } from '../services.ts';
import { addAudit } from './audit.ts';
import { addBulk } from './bulk.ts';
import { addCaptured } from './captured.ts';
import { addEndpoint } from './endpoint.ts';
import { addEndpoints } from './endpoints.ts';
import { addMessageActions } from './message-actions.ts';
import { addMessage } from './message.ts';
import { addMessages } from './messages.ts';
import { addOverview } from './overview.ts';
import { addPreview } from './preview.ts';
import { addQuietHours } from './quiet-hours.ts';
import { addRecipients } from './recipients.ts';
import { addSuppressions } from './suppressions.ts';
import { addTemplates } from './templates.ts';
import { addTenants } from './tenants.ts';
import { addTestEmail } from './test-email.ts';
import { addWorkers } from './workers.ts';

/** Adds all pages and their actions. */
export function addPages(app: Hono<ConsoleEnv>, services: Services): void {
  addOverview(app, services);
  addMessages(app, services);
  addBulk(app, services);
  addMessage(app, services);
  addMessageActions(app, services);
  addTemplates(app, services);
  addPreview(app, services);
  addTestEmail(app, services);
  addEndpoints(app, services);
  addEndpoint(app, services);
  addRecipients(app, services);
  addQuietHours(app, services);
  addSuppressions(app, services);
  addTenants(app, services);
  addWorkers(app, services);
  addAudit(app, services);
  addCaptured(app, services);
  app.get('/live', (c) => {
    const watched = (c.req.query('watch') ?? '').split(',').filter(isUuid);
    return services.live.open(c.get('operator').name, watched) ?? c.text('Too many pages are open.', 503);
  });
}
