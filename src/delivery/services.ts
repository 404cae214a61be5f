/**
 * What the parts of a worker share: their interfaces, and who has which. Types only, so that every part may import
 * them.
 */
import type { Pool } from 'pg';
import type { Database } from '../database/database.ts';
import type { Dispatcher, DispatchResult } from '../dispatch/dispatcher.ts';
import type { LeasedJob, Queue, RequeuedJob } from '../queue/queue.ts';
import type { Renderer, TemplateTexts } from '../templates/render.ts';
import type { Tenants } from '../tenants/tenants.ts';
import type { Logger } from '../vocabulary.ts';
import type { Attempt, AttemptTelemetry, Decision, OpenAttempt, OpenMessage } from './attempt.ts';
import type { FileBudget } from './file-budget.ts';
import type { Links } from '../recipients/links.ts';
import type { DecryptLabels } from '../secrets.ts';

/** An error of one kind. It holds no text of the database, of a receiver or of a user. */
export interface ErrorRecord {
  /** What the worker could not do. */
  readonly what: string;
  /** SQLSTATE, code of the network, or a word of ours. */
  readonly code: string;
  /** When it happened last, in ISO 8601 by this machine's clock. */
  readonly at: string;
  readonly count: number;
}

/** Reports errors of the database. */
export interface ErrorReporter {
  /** A statement failed, or a connection broke. */
  report(error: unknown, what: string, fields?: object): void;
  /** The database answered, and takes changes. */
  recovered(): void;
  /** The last error of each kind since the worker started, newest first; 20 kinds at most. */
  recent(): readonly ErrorRecord[];
}

/** The texts of template versions. A version never changes, so each is read from the database once. */
export interface TemplateVersions {
  /** Rejects when the database is away or holds no such version; the next call tries again. */
  textsOf(template: string, version: number): Promise<TemplateTexts>;
}

/** One per worker, over all its methods. */
export interface Isolation {
  /** A message is isolated or waits for it: lease nothing. */
  readonly closed: boolean;
  /** Something is in flight, or may be in a moment. */
  enter(): void;
  leave(): void;
  /**
   * Runs the work as soon as nothing is in flight. Returns false without running it while another message is isolated,
   * and for a time after that: isolated work gets at most 20 % of the time.
   */
  run(work: () => Promise<void>): Promise<boolean>;
}

/** What the deliveries of one method report. */
export interface DeliveryTelemetry {
  begin(message: OpenMessage): AttemptTelemetry;
  /** A message was settled without an attempt. */
  stopped(status: string, reason: string): void;
}

/** Gives leased jobs a later start. Rejects when the database is away. */
export interface Requeue {
  /** At the times that the jobs name, all or none. */
  (jobs: readonly RequeuedJob[]): Promise<void>;
  /** In a second of the database's clock, with the priority of their messages. */
  soon(jobs: readonly LeasedJob[]): Promise<void>;
}

/** Removes the jobs of sent messages in the background. */
export interface Removals {
  add(jobs: readonly LeasedJob[]): void;
  /** Resolves when everything that was added is removed, or could not be. */
  flush(): Promise<void>;
}

/** An attempt that ended. */
export interface Settlement {
  readonly messageId: string;
  readonly attempt: number;
  readonly token: string;
  readonly result: DispatchResult;
  readonly decision: Decision;
  readonly durationMs: number;
}

/** Writes settlements in batches. */
export interface Settlements {
  /** Resolves when the result is recorded. The job is removed or requeued then, or in a moment. */
  add(settlement: Settlement, job: LeasedJob): Promise<void>;
  /** Resolves when the time of the last sent message is recorded, or could not be. */
  flush(): Promise<void>;
  /** Gives up on batches that cannot be written, after logging what was delivered but not recorded. */
  abandon(): void;
}

/** Leased jobs on their way to be begun. */
export interface Batch {
  readonly jobs: readonly LeasedJob[];
  /** When they were leased, by `performance.now()`. */
  readonly leasedAt: number;
}

/** Decides which leased jobs may go now. */
export interface Admission {
  /** Jobs to lease for each free slot. */
  readonly leaseFactor: number;
  /** Returns the jobs that may go now, `free` at most. No attempt is opened for the others. */
  admit(jobs: readonly LeasedJob[], free: number): Promise<readonly LeasedJob[]>;
}

/** The last look before a message is sent. */
export interface Guards {
  /** Whether there is anything to ask about a message. */
  concern(message: OpenMessage): boolean;
  /**
   * Asks the guard of a message whose attempt is open. False: it may not go now, which is recorded, and its slot is
   * free. Never rejects.
   */
  mayGo(attempt: Attempt): Promise<boolean>;
}

/** The attempts of one method that are under way. */
export interface InFlight {
  /** Attempts that are not settled. */
  readonly size: number;
  /** Of these, attempts whose dispatch has not ended. */
  readonly dispatching: number;
  /** Runs an attempt. Resolves when it is settled; `work` must not reject. */
  run(open: OpenAttempt, work: (attempt: Attempt) => Promise<void>): Promise<void>;
  jobs(): LeasedJob[];
  has(messageId: string): boolean;
  abortAll(reason: string): void;
  /** Ends every attempt as `unknown`, although its dispatch goes on. */
  giveUpAll(): void;
  /** Aborts the attempts at these messages, whose leases were lost. */
  abortLost(messageIds: readonly string[]): void;
  /** Aborts what is beyond its deadline or expiry, and gives up on what still goes on long after that. */
  endOverdue(): void;
}

/** Whether this worker leases messages of the method. The row of `herald.method` says it for all workers. */
export interface MethodPause {
  /** Since when the method is paused, by `performance.now()`; null: it is not. */
  readonly since: number | null;
  begin(): void;
  end(): void;
}

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
  readonly tenants: Tenants;
  readonly isolation: Isolation;
  readonly files: FileBudget;
  /** Decrypts the secret labels of a message of this template. */
  readonly decryptLabels: DecryptLabels;
  /** Makes the links to the recipient's pages; null: messages have none of ours. */
  readonly links: Links | null;
  /** `schema.function` that is asked about all recipients; null: none. */
  readonly recipientGuard: string | null;
}

/** What the guards of a method need. */
export type GuardServices = Pick<
  MethodServices,
  'method' | 'database' | 'queue' | 'requeue' | 'errors' | 'telemetry' | 'recipientGuard'
>;

/** One per delivery method. */
export interface MethodServices extends WorkerServices {
  readonly method: string;
  readonly dispatcher: Dispatcher;
  readonly telemetry: DeliveryTelemetry;
  readonly requeue: Requeue;
  readonly removals: Removals;
  readonly settlements: Settlements;
  readonly guards: Guards;
}

/** What the act of delivering needs: one per pump. */
export interface DeliveryServices extends MethodServices {
  readonly admission: Admission;
  readonly inFlight: InFlight;
  readonly pause: MethodPause;
  /** Aborted when the worker stops: nothing is tried again. */
  readonly stopping: AbortSignal;
}
