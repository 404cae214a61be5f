/** What the pages share. */
import type { Context } from 'hono';
import type { Pool } from 'pg';
import type { Status } from '../operate/status.ts';
import type { Period } from '../operate/throughput.ts';
import type { Renderer } from '../templates/render.ts';
import type { Assets } from './assets.ts';
import type { Operator } from './authenticator.ts';
import type { Cached } from './cached.ts';
import type { Live } from './live.ts';
import type { Settings } from './options.ts';

export interface Services {
  readonly pool: Pool;
  readonly settings: Settings;
  readonly assets: Assets;
  readonly live: Live;
  readonly status: Cached<Status>;
  readonly lastHour: Cached<readonly Period[]>;
  readonly lastDay: Cached<readonly Period[]>;
  readonly render: Renderer;
}

/** Types of the variables that middleware sets for the pages. */
export interface ConsoleEnv {
  Variables: {
    readonly operator: Operator;
    /** The hidden field of every form. */
    readonly formToken: string;
  };
}

export type PageContext = Context<ConsoleEnv>;
