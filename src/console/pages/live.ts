import type { Hono } from 'hono';
import type { ConsoleEnv, Services } from '../services.ts';
import { isId } from '../input.ts';

export function addLive(app: Hono<ConsoleEnv>, { live }: Services): void {
  app.get('/live', (c) => {
    const watched = (c.req.query('watch') ?? '').split(',').filter(isId);
    return live.open(watched) ?? c.text('Too many pages are open.', 503);
  });
}
