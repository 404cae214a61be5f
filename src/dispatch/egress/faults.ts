/** What can go wrong with an outgoing call: a closed list, and the only place that knows error codes. Pure. */
import { codeOf } from '../../errors.ts';

/**
 * Kinds of faults, among them:
 * - `forbidden`: our guard or the egress proxy refused the destination
 * - `aborted`: the signal of the caller
 * - `internal`: an error code that is not in the table, or an argument that undici refuses; a bug in pg-herald
 */
export type EgressFaultKind =
  | 'forbidden'
  | 'dns'
  | 'unreachable'
  | 'connect_timeout'
  | 'tls'
  | 'connection_lost'
  | 'no_reply'
  | 'unparsable_reply'
  | 'proxy'
  | 'aborted'
  | 'internal';

/** Why a call has no reply. */
export interface EgressFault {
  readonly kind: EgressFaultKind;
  /** A short machine code without address or name, for example `ECONNREFUSED`. */
  readonly code: string;
  /** Whether the request, or a part of it, may have reached the receiver. */
  readonly sent: boolean;
}

/**
 * Thrown inside a connection by our own code. It has no `code` on purpose: undici reads the code of a connector's error
 * and reconnects forever if it is one of its own, for example when a proxy hangs up.
 */
export class EgressError extends Error {
  override readonly name = 'EgressError';
  readonly fault: Pick<EgressFault, 'kind' | 'code'>;

  constructor(kind: EgressFaultKind, code: string, options?: ErrorOptions) {
    super(`${kind}: ${code}`, options);
    this.fault = { kind, code };
  }
}

const kindByCode: Readonly<Record<string, EgressFaultKind>> = {
  ENOTFOUND: 'dns',
  ENODATA: 'dns',
  ESERVFAIL: 'dns',
  EREFUSED: 'dns',
  EFORMERR: 'dns',
  ENOTIMP: 'dns',
  EBADRESP: 'dns',
  EBADNAME: 'dns',
  ETIMEOUT: 'dns',
  EAI_AGAIN: 'dns',
  EAI_FAIL: 'dns',
  ECONNREFUSED: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EACCES: 'unreachable',
  EPERM: 'unreachable',
  ETIMEDOUT: 'connect_timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connect_timeout',
  ECONNRESET: 'connection_lost',
  ECONNABORTED: 'connection_lost',
  EPIPE: 'connection_lost',
  UND_ERR_SOCKET: 'connection_lost',
  UND_ERR_HEADERS_TIMEOUT: 'no_reply',
  UND_ERR_BODY_TIMEOUT: 'no_reply',
  UND_ERR_HEADERS_OVERFLOW: 'unparsable_reply',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'unparsable_reply',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'unparsable_reply',
  // Errors of undici's parser have no code, so their name is used.
  HTTPParserError: 'unparsable_reply',
  EPROTO: 'tls',
  // OpenSSL's codes for certificate chains that do not start with ERR_ or CERT_
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls',
  UNABLE_TO_GET_ISSUER_CERT: 'tls',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls',
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: 'tls',
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: 'tls',
  INVALID_CA: 'tls',
  INVALID_PURPOSE: 'tls',
  PATH_LENGTH_EXCEEDED: 'tls',
  HOSTNAME_MISMATCH: 'tls',
};

const tlsCode = /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_)/;

/** The fault behind an error. `sent`: whether there was a connection, so that bytes of the request may have left. */
export function classifyError(error: unknown, sent: boolean): EgressFault {
  if (error instanceof EgressError) return { ...error.fault, sent };
  const code = codeOf(error);
  const kind = kindByCode[code] ?? (tlsCode.test(code) ? 'tls' : code.startsWith('HPE_') ? 'unparsable_reply' : null);
  if (kind === null) return { kind: 'internal', code, sent };
  // A socket timeout after the request left is not a connect timeout.
  if (kind === 'connect_timeout' && sent) return { kind: 'no_reply', code, sent };
  return { kind, code: code === 'UND_ERR_SOCKET' ? 'ECONNRESET' : code, sent };
}
