/** What can go wrong with an outgoing call: a closed list, and the one place that knows the error codes. Pure. */
import { codeOf } from '../../errors.ts';

/**
 * - `forbidden`: the guard, or the egress proxy's own, refused the destination
 * - `aborted`: the caller's signal
 * - `internal`: a code that is not in the table, or an argument that undici refuses: a bug of ours
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

export interface EgressFault {
  readonly kind: EgressFaultKind;
  /** A short machine code without address or name, for example `ECONNREFUSED`. */
  readonly code: string;
  /** Whether the request, or a part of it, may have reached the receiver. */
  readonly sent: boolean;
}

/**
 * Thrown inside a connection by our own parts. It has no `code` on purpose: undici reads that of a connector's error, and
 * with one of its own in it (a proxy that hangs up) connects again for ever.
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
  // undici leaves out the code of its own parser's errors, so the name has to do.
  HTTPParserError: 'unparsable_reply',
  EPROTO: 'tls',
  // OpenSSL's verdicts on a certificate chain that do not start with ERR_ or CERT_
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

/** The fault behind an error. `sent`: whether the connection stood, so that bytes of the request may have left. */
export function classifyError(error: unknown, sent: boolean): EgressFault {
  if (error instanceof EgressError) return { ...error.fault, sent };
  const code = codeOf(error);
  const kind = kindByCode[code] ?? (tlsCode.test(code) ? 'tls' : code.startsWith('HPE_') ? 'unparsable_reply' : null);
  if (kind === null) return { kind: 'internal', code, sent };
  // A timeout of the socket after the request left says nothing about connecting.
  if (kind === 'connect_timeout' && sent) return { kind: 'no_reply', code, sent };
  return { kind, code: code === 'UND_ERR_SOCKET' ? 'ECONNRESET' : code, sent };
}
