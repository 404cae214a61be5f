import { ConfigurationError, InvalidNotificationError } from '../errors.ts';
import { CommandFailed, TryAgain, UsageError } from './output.ts';

interface ErrorText {
  /** Null if the command has printed it. */
  readonly line: string | null;
  readonly exitCode: number;
}

/** An error as one line with its remedy, and the exit code. Never a stack or a password. */
export function explainError(error: unknown): ErrorText {
  if (error instanceof TryAgain) return { line: error.message, exitCode: 75 };
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
  if (typeof error !== 'object' || error === null) return null;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const message = error instanceof Error ? error.message : '';
  const line = connectionLine(error, code, message) ?? stateLine(error, code, message);
  return line === null ? null : { line, exitCode: 2 };
}

const networkCodes = ['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNRESET'];
const socketCodes = ['ENOENT', 'EACCES'];

/** Why there is no connection. */
function connectionLine(error: object, code: string, message: string): string | null {
  const isSocket = socketCodes.includes(code) && 'syscall' in error && error.syscall === 'connect';
  if ([...networkCodes, 'EAI_AGAIN'].includes(code) || isSocket)
    return (
      `cannot reach PostgreSQL at ${addressOf(error)} (${code}): check that it is running and that DATABASE_URL is ` +
      'correct'
    );
  if (/^(timeout expired|timeout exceeded when trying to connect|Connection terminated)/i.test(message) && code === '')
    return `no connection to PostgreSQL (${message}): check the host of DATABASE_URL, the firewall and its load`;
  if (certificateCodes.has(code))
    return (
      `the certificate of PostgreSQL is not trusted (${code}): name its CA with sslrootcert=/path/ca.pem in ` +
      'DATABASE_URL, or encrypt without verifying with sslmode=require'
    );
  if (message.startsWith('The server does not support SSL connections'))
    return 'PostgreSQL does not offer TLS: turn it on in the server, or set sslmode=disable in DATABASE_URL';
  if (message.startsWith('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password'))
    return 'PostgreSQL asks for a password: add it to DATABASE_URL, or set PGPASSWORD';
  if (code === '28000' && message.includes('no encryption'))
    return 'PostgreSQL accepts this login only with TLS: set sslmode=verify-full or sslmode=require in DATABASE_URL';
  return null;
}

/** What the server says. */
function stateLine(error: object, code: string, message: string): string | null {
  if (code === '28P01' || code === '28000')
    return 'PostgreSQL rejected the login: check user and password in DATABASE_URL';
  const remedy = remedies.get(code);
  if (remedy !== undefined) return `${message}: ${remedy}`;
  if (code === '3F000' || code === '42P01') return `the database is not migrated (${message}): run "pg-herald migrate"`;
  if (!/^HE\d{3}$/.test(code)) return null;
  return [message.replace(/^herald: /, ''), 'hint' in error ? error.hint : ''].filter(Boolean).join('. ');
}

const remedies: ReadonlyMap<string, string> = new Map([
  ['08P01', 'a pooler refuses this connection: connect to PostgreSQL directly, or leave out the parameter it names'],
  ['53300', 'raise max_connections, or end other connections'],
  ['3D000', 'create it, or correct DATABASE_URL'],
  ['42501', 'the role of DATABASE_URL lacks a privilege'],
]);

function addressOf(error: object): string {
  // If a name has several addresses, their errors arrive as one.
  const first: unknown = 'errors' in error && Array.isArray(error.errors) ? error.errors[0] : error;
  if (typeof first !== 'object' || first === null || !('address' in first))
    return 'hostname' in error ? String(error.hostname) : 'the host of DATABASE_URL';
  return `${String(first.address)}:${'port' in first ? String(first.port) : '5432'}`;
}
