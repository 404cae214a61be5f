/** What the pages share. */
import type { Context } from 'hono';
import type { Pool } from 'pg';
import type { Period } from '../operate/throughput.ts';
import type { Status } from '../operate/status.ts';
import type { Renderer } from '../templates/render.ts';
import type { Operator } from './access.ts';
import type { Assets } from './assets.ts';
import type { Kept } from './cached.ts';
import type { Live } from './live.ts';
import type { Settings } from './options.ts';

export interface Services {
  readonly pool: Pool;
  readonly settings: Settings;
  readonly assets: Assets;
  readonly live: Live;
  readonly status: Kept<Status>;
  readonly lastHour: Kept<readonly Period[]>;
  readonly lastDay: Kept<readonly Period[]>;
  readonly render: Renderer;
}

export interface ConsoleEnv {
  Variables: {
    readonly operator: Operator;
    /** For the hidden field of every form. */
    readonly csrfToken: string;
  };
}

export type PageContext = Context<ConsoleEnv>;
