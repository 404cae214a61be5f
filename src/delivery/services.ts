/** What the parts of a worker share. This file imports types only, so that every part may import it. */
import type { Pool } from 'pg';
import type { Database } from '../database/statements.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { Queue } from '../queue/queue.ts';
import type { Renderer } from '../templates/render.ts';
import type { Brand, Logger } from '../vocabulary.ts';
import type { Admission } from './admit.ts';
import type { ErrorReporter } from './database-errors.ts';
import type { InFlight } from './in-flight.ts';
import type { Isolation } from './isolation.ts';
import type { Removals } from './jobs/remove.ts';
import type { Requeue } from './jobs/requeue.ts';
import type { TemplateVersions } from './prepare.ts';
import type { MethodPause } from './react.ts';
import type { Settlements } from './settle.ts';
import type { DeliveryTelemetry } from './telemetry.ts';

/** One per worker. */
export interface WorkerServices {
  /** The worker's name. */
  readonly worker: string;
  readonly database: Database;
  readonly queue: Queue;
  /** The connections of the queue. Their commits do not wait for the disk. */
  readonly queuePool: Pool;
  readonly logger: Logger;
  readonly errors: ErrorReporter;
  readonly versions: TemplateVersions;
  readonly renderer: Renderer;
  readonly brand: Brand;
  readonly isolation: Isolation;
  /** Decrypts the secret labels of a message of this template. */
  readonly decryptLabels: (secrets: Readonly<Record<string, string>>, template: string) => Record<string, string>;
}

/** One per delivery method. */
export interface MethodServices extends WorkerServices {
  readonly method: string;
  readonly dispatcher: Dispatcher;
  readonly telemetry: DeliveryTelemetry;
  readonly requeue: Requeue;
  readonly removals: Removals;
  readonly settlements: Settlements;
}

/** What the act of delivering needs: one per pump. */
export interface DeliveryServices extends MethodServices {
  readonly admission: Admission;
  readonly inFlight: InFlight;
  readonly pause: MethodPause;
  /** Aborted when the worker stops: nothing is tried again. */
  readonly stopping: AbortSignal;
}
