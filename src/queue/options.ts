/** The settings of the queues: one per delivery method, in a schema of their own. */
import packageJson from 'pg-boss/package.json' with { type: 'json' };

/** pg-boss's tables live here, so that a host's own pg-boss of any version is untouched. */
export const queueSchema = 'herald_queue';
/** The version of pg-boss's tables that this release writes and reads. */
export const knownQueueVersion = packageJson.pgboss.schema;
/** pg-boss moves a job here when its retries are spent: a worker died again and again before it could begin. */
export const deadLetterQueue = 'dead-letter';
/** The methods that `migrate` creates. */
export const builtInMethods = ['smtp', 'webhook', 'inbox'] as const;

/** How pg-boss treats the jobs of a method. */
export const methodQueueOptions = {
  partition: true,
  notify: false,
  deadLetter: deadLetterQueue,
  // After this time without a heartbeat a worker counts as dead; pg-boss's minimum is 10.
  heartbeatSeconds: 15,
  // Above the longest dispatch (900 s): a slow but living worker keeps its lease by heartbeat.
  expireInSeconds: 1200,
  // Counts crashes before an attempt could begin; attempts themselves are counted in the message.
  retryLimit: 25,
  // A lease that ran out was a long enough wait.
  retryDelay: 0,
  retryBackoff: false,
  // A method may be paused for a long time; a job that pg-boss deleted would be a lost message.
  retentionSeconds: 365 * 86_400,
  deleteAfterSeconds: 3600,
};

/** What every instance of pg-boss is told. */
export const bossOptions = {
  schema: queueSchema,
  createSchema: false,
  schedule: false,
  registerInstance: false,
} as const;
