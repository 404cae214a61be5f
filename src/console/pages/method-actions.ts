/** Pausing and resuming. */
import type { Hono } from 'hono';
import { recordAudit } from '../../operate/audit.ts';
import { pauseMethod, resumeMethod } from '../../operate/pause.ts';
import { leaveNote } from '../cookies.ts';
import { formOf } from '../input.ts';
import type { ConsoleEnv, Services } from '../services.ts';
import { refusal } from './failure.ts';

export function addMethodActions(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool, settings } = services;
  const named = (method: string) => (method === '*' ? 'Everything' : method);

  app.post('/methods/:method/pause', async (c) => {
    const method = c.req.param('method');
    const why = (await formOf(c))('why')?.slice(0, 300);
    if (why === undefined) return refusal(c, services, 'Say why, for those who find it paused.');
    const by = c.get('operator').name;
    if (!(await pauseMethod(pool, { method, by, why }))) return c.notFound();
    await recordAudit(pool, { actor: by, action: 'pause', subject: method, why });
    leaveNote(c, services, `${named(method)} is paused. What is enqueued waits; nothing is lost.`);
    return c.redirect(`${settings.basePath}/`, 303);
  });

  app.post('/methods/:method/resume', async (c) => {
    const resumed = await resumeMethod(pool, { method: c.req.param('method') });
    for (const subject of resumed)
      await recordAudit(pool, { actor: c.get('operator').name, action: 'resume', subject });
    leaveNote(c, services, resumed.length > 0 ? `${resumed.map(named).join(', ')} resumed.` : 'Nothing was paused.');
    return c.redirect(`${settings.basePath}/`, 303);
  });
}
