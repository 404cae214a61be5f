/** One thing that is wrong with an input, and where. */
export interface Issue {
  /** Dotted path into the input, for example `to[3].email`. */
  readonly path: string;
  /** What is wrong and what to do about it. Never holds a secret. */
  readonly message: string;
}

/** Thrown by `enqueue` before anything is written: the notification itself is wrong. */
export class InvalidNotificationError extends Error {
  /** Always `InvalidNotificationError`. */
  override readonly name = 'InvalidNotificationError';
  /** Everything that is wrong, not only the first. */
  readonly issues: readonly Issue[];

  constructor(issues: readonly Issue[], options?: ErrorOptions) {
    super(issues.map((issue) => (issue.path ? `${issue.path}: ${issue.message}` : issue.message)).join('; '), options);
    this.issues = issues;
  }
}

/** Thrown at start or by the CLI: a setting is missing or wrong. The message names it and the remedy. */
export class ConfigurationError extends Error {
  /** Always `ConfigurationError`. */
  override readonly name = 'ConfigurationError';
  /** The name of the setting: an option path or an environment variable. */
  readonly setting: string;

  constructor(setting: string, message: string, options?: ErrorOptions) {
    super(`${setting}: ${message}`, options);
    this.setting = setting;
  }
}

/**
 * Returns the code of a database or network error, or a word of ours where it has none. Never its message, which may
 * quote values.
 */
export function codeOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code;
  if (!(error instanceof Error)) return 'unknown';
  // Connecting to several addresses fails with one error that holds those of all addresses; Drizzle wraps the driver's
  // error.
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  if (error.cause !== undefined) return codeOf(error.cause);
  if (/timeout|timed out/i.test(error.message)) return 'timeout';
  return /terminated|not queryable|connection (error|ended)/i.test(error.message) ? 'connection_lost' : error.name;
}
