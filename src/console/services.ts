/** What the pages share. Types only. */
import type { Context } from 'hono';
import type { Pool } from 'pg';
import type { Status } from '../operate/status.ts';
import type { Period } from '../operate/throughput.ts';
import type { Renderer } from '../templates/render.ts';
import type { Tenants } from '../tenants/tenants.ts';
import type { Assets } from './assets.ts';
import type { Cached } from './cached.ts';
import type { Live } from './live.ts';
import type { Settings } from './options.ts';

/** What a console is made of. */
export interface Services {
  readonly pool: Pool;
  readonly settings: Settings;
  readonly assets: Assets;
  readonly live: Live;
  readonly status: Cached<Status>;
  readonly lastHour: Cached<readonly Period[]>;
  readonly lastDay: Cached<readonly Period[]>;
  readonly render: Renderer;
  readonly tenants: Tenants;
}

/** The authenticated operator of a request. */
export interface Operator {
  /** Recorded in the audit. */
  readonly name: string;
  readonly readOnly: boolean;
  /** How the request proved who it is. Another site cannot make a browser send a bearer token. */
  readonly by: 'host' | 'session' | 'bearer';
}

/** Types of what the server and the middleware tell the pages. */
export interface ConsoleEnv {
  Bindings: {
    /** The client's network address, if the server that received the request knows it. */
    readonly address?: string;
  };
  Variables: {
    readonly operator: Operator;
    /** The hidden field of every form. */
    readonly formToken: string;
  };
}

/** One request. */
export type PageContext = Context<ConsoleEnv>;
