/** The options for outgoing calls. */
import { isIP } from 'node:net';
import * as v from 'valibot';
import { parseSettings } from '../settings.ts';
import type { ProxySettings } from './proxy.ts';

/** What the operator allows beyond public `https:` addresses. Endpoints of tenants cannot extend it. */
export interface EgressOptions {
  /**
   * Address blocks of internal receivers, for example `['10.1.0.0/16']`. Literals in them may use any port and `http:`.
   */
  readonly allowCidrs?: readonly string[];
  /**
   * Names of internal receivers; a leading dot allows all subdomains. Resolved by the operating system and trusted
   * whatever they resolve to, with any port and with `http:`.
   */
  readonly allowHosts?: readonly string[];
  /** Public addresses that must not be called: your database, your email relay. This host's own are always refused. */
  readonly denyCidrs?: readonly string[];
  /** Ports of public receivers, at most 100. Default 443 and 8443 (and 80 and 8080 with `allowHttp`). */
  readonly ports?: readonly number[];
  /** Whether public receivers may be called without TLS. Default false. */
  readonly allowHttp?: boolean;
  /**
   * URL of an HTTP proxy for all calls (CONNECT), with user name and password if it needs them. It resolves the names,
   * so it must filter the addresses as well (smokescreen, Squid). `HTTPS_PROXY` in the environment is not read.
   */
  readonly proxy?: string;
  /** Name servers for public names as `address` or `address:port`, at most 10. Default: those of the system. */
  readonly nameServers?: readonly string[];
  /** PEM of the CA that signed the certificate of an `https:` proxy. Default: the well-known ones. */
  readonly proxyCa?: string;
}

/** `EgressOptions`, checked and with defaults. */
export interface EgressSettings {
  readonly allowCidrs: readonly string[];
  readonly allowHosts: readonly string[];
  readonly denyCidrs: readonly string[];
  readonly ports: readonly number[];
  readonly allowHttp: boolean;
  /** Empty: those of the system. */
  readonly nameServers: readonly string[];
  readonly proxy?: ProxySettings;
}

const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const blocks = v.optional(v.pipe(v.array(v.string()), v.maxLength(1_000)), []);
const host = v.pipe(
  v.string(),
  v.toLowerCase(),
  v.regex(/^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/, 'must be a host name in ASCII, or a suffix that starts with a dot'),
);

/** valibot schema of `EgressOptions`. */
export const egressSchema = v.pipe(
  v.strictObject({
    allowCidrs: blocks,
    allowHosts: v.optional(v.pipe(v.array(host), v.maxLength(1_000)), []),
    denyCidrs: blocks,
    ports: v.optional(v.pipe(v.array(port), v.minLength(1), v.maxLength(100))),
    allowHttp: v.optional(v.boolean(), false),
    nameServers: v.optional(
      v.pipe(
        v.array(v.pipe(v.string(), v.check(isNameServer, 'must be an address, optionally with a port'))),
        v.maxLength(10),
      ),
      [],
    ),
    proxy: v.optional(v.pipe(v.string(), v.check(isProxyUrl, 'must be an http: or https: URL without a path'))),
    proxyCa: v.optional(v.string()),
  }),
  v.transform(({ proxy, proxyCa, ports, ...rest }): EgressSettings => {
    const open = ports ?? (rest.allowHttp ? [443, 8443, 80, 8080] : [443, 8443]);
    if (proxy === undefined) return { ...rest, ports: open };
    return { ...rest, ports: open, proxy: { url: new URL(proxy), ...(proxyCa === undefined ? {} : { ca: proxyCa }) } };
  }),
);

function isProxyUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, pathname } = new URL(text);
  return (protocol === 'http:' || protocol === 'https:') && pathname === '/';
}

function isNameServer(text: string): boolean {
  return isIP(text) !== 0 || /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:]+\]):\d{1,5}$/i.test(text);
}

/** @throws {ConfigurationError} for the first option that is missing or wrong, named `egress.<path>`. */
export function parseEgress(options: EgressOptions): EgressSettings {
  return parseSettings('egress', egressSchema, options);
}
