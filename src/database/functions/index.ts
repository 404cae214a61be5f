/**
 * The SQL files that `migrate` applies after the tables, in the order in which they depend on one another. Each holds
 * one function or one tight family and is the only place where its text exists. A file must be safe to apply again:
 * it says `CREATE OR REPLACE`, and a line `-- drops: herald.name(argument types)` names a signature of an earlier
 * release to drop first.
 */
export const functionFiles = [
  'table-storage',
  'uuid-v7',
  'reject',
  'validation',
  'options',
  'recipients',
  'preference-history',
  'tenants',
  'preferences',
  'endpoints',
  'template',
  'jobs',
  'schedule',
  'time-zones',
  'quiet-hours',
  'suppressions',
  'judge-recipients',
  'inbox-token',
  'inbox-items',
  'inbox-mark',
  'inbox-changes',
  'write-messages',
  'content',
  'require-transaction',
  'enqueue',
  'enqueue-named',
  'cancel',
  'readdress',
  'retry',
  'refusals',
  'reports',
  'subscriptions',
  'retention',
  'erase',
  'privileges',
] as const;
