/** Resolves names. A parameter of the egress, so that a test can be the attacker's name server. */
import { lookup, Resolver } from 'node:dns/promises';

/** Returns every address of the name, of both families; rejects with a Node.js DNS error. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** Options of `publicResolver`. */
export interface ResolverOptions {
  /** Name servers as `address` or `address:port`; default: those of the system. */
  readonly servers?: readonly string[];
  /** Timeout of the first query in milliseconds; it grows with each try. Default 2,000. */
  readonly timeoutMs?: number;
  /** Queries per name and family. Default 3. */
  readonly tries?: number;
}

/**
 * Asks name servers directly. `getaddrinfo` would run on four threads of the process, so four endpoints with dead name
 * servers would stop every other lookup. The hosts file and search domains are not used; public names do not need them.
 */
export function publicResolver(options: ResolverOptions = {}): Resolve {
  const resolver = new Resolver({ timeout: options.timeoutMs ?? 2_000, tries: options.tries ?? 3 });
  if (options.servers) resolver.setServers(options.servers);
  return async (hostname) => {
    const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (addresses.length > 0) return addresses;
    throw worstOf(answers.map((answer): unknown => (answer.status === 'rejected' ? answer.reason : null)));
  };
}

/** Asks the operating system, including its hosts file and search domains: for names that the operator trusts. */
export const systemResolver: Resolve = async (hostname) =>
  (await lookup(hostname, { all: true, order: 'ipv4first' })).map(({ address }) => address);

/** A name without AAAA records gives ENODATA beside the actual error of its A records. */
function worstOf(errors: readonly unknown[]): unknown {
  const harmless = (error: unknown) =>
    error === null || (error instanceof Error && 'code' in error && error.code === 'ENODATA');
  return errors.find((error) => !harmless(error)) ?? errors.find((error) => error !== null);
}
