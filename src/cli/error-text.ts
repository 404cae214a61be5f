import { ConfigurationError, InvalidNotificationError } from '../errors.ts';
import { CommandFailed, UsageError } from './output.ts';

interface ErrorText {
  /** Null if the command has printed it. */
  readonly line: string | null;
  readonly exitCode: number;
}

/** An error as one line with its remedy, and the exit code. Never a stack or a password. */
export function explainError(error: unknown): ErrorText {
  if (error instanceof CommandFailed) return { line: error.message || null, exitCode: 1 };
  if (error instanceof UsageError || error instanceof ConfigurationError || error instanceof InvalidNotificationError)
    return { line: error.message, exitCode: 2 };
  return (
    databaseError(error) ?? {
      line: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      exitCode: 1,
    }
  );
}

const certificateCodes: ReadonlySet<string> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

function databaseError(error: unknown): ErrorText | null {
  if (typeof error !== 'object' || error === null || !('code' in error) || typeof error.code !== 'string') return null;
  const { code } = error;
  const message = error instanceof Error ? error.message : '';
  if (['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH', 'ECONNRESET', 'EAI_AGAIN'].includes(code))
    return {
      line:
        `cannot reach PostgreSQL at ${addressOf(error)} (${code}): check that it is running and that ` +
        'DATABASE_URL is correct',
      exitCode: 2,
    };
  if (certificateCodes.has(code))
    return {
      line:
        `the certificate of PostgreSQL is not trusted (${code}): name its CA with sslrootcert=/path/ca.pem in ` +
        'DATABASE_URL, or encrypt without verifying as libpq does with sslmode=require&uselibpqcompat=true',
      exitCode: 2,
    };
  if (code === '53300') return { line: `${message}: raise max_connections, or end other connections`, exitCode: 2 };
  if (code === '28P01' || code === '28000')
    return { line: 'PostgreSQL rejected the login: check user and password in DATABASE_URL', exitCode: 2 };
  if (code === '3D000') return { line: `${message}: create it, or correct DATABASE_URL`, exitCode: 2 };
  if (code === '3F000' || code === '42P01')
    return { line: `the database is not migrated (${message}): run "pg-herald migrate"`, exitCode: 2 };
  if (code === '42501') return { line: `${message}: the role of DATABASE_URL lacks a privilege`, exitCode: 2 };
  if (/^HE\d{3}$/.test(code))
    return {
      line: [message.replace(/^herald: /, ''), 'hint' in error ? error.hint : ''].filter(Boolean).join('. '),
      exitCode: 2,
    };
  return null;
}

function addressOf(error: object): string {
  // If a name has several addresses, their errors arrive as one.
  const first: unknown = 'errors' in error && Array.isArray(error.errors) ? error.errors[0] : error;
  if (typeof first !== 'object' || first === null || !('address' in first))
    return 'hostname' in error ? String(error.hostname) : 'the host of DATABASE_URL';
  return `${String(first.address)}:${'port' in first ? String(first.port) : '5432'}`;
}
