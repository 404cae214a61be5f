/**
 * Which IP addresses an outgoing call may reach. IPv6 uses an allow-list, so every way to embed an IPv4 address in an
 * IPv6 address (mapped, compatible, 6to4, Teredo) is refused without knowing it. NAT64 alone is decoded. Pure.
 */
import { BlockList, isIP } from 'node:net';
import { ConfigurationError } from '../../errors.ts';

/** A set of addresses. */
export interface AddressSet {
  /** Whether it contains the address; false for text that is not an address. */
  has(address: string): boolean;
}

/** The operator's exceptions. */
export interface AddressExceptions {
  /** Internal receivers; wins over everything. */
  readonly allow?: AddressSet;
  /** Refused although public: this host's own addresses, the database, the email relay. */
  readonly deny?: AddressSet;
}

// IANA special-purpose registry (RFC 6890 and its updates), multicast, the reserved class E, and the one public
// address under which Azure serves its machine metadata.
const forbiddenIPv4 = addressSet('forbidden IPv4', [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]);

const globalIPv6 = addressSet('global IPv6', ['2000::/3']);

// Inside global unicast, but not ordinary hosts: protocol assignments with Teredo and ORCHID, documentation, 6to4,
// AS112.
const forbiddenIPv6 = addressSet('forbidden IPv6', [
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '2620:4f:8000::/48',
]);

// A network with IPv6 alone reaches an IPv4 address through a translator, under an address that its name servers make
// up (DNS64). This prefix is the well-known one (RFC 6052); the local one of RFC 8215 stays refused.
const nat64 = addressSet('NAT64', ['64:ff9b::/96']);

/** The last 32 bits of an address in the NAT64 prefix. */
function embeddedIPv4(address: string): string {
  const { hostname } = new URL(`http://[${address}]/`);
  const [, tail = ''] = hostname.slice(1, -1).split('::');
  const [low = 0, high = 0] = tail
    .split(':')
    .map((group) => Number.parseInt(group || '0', 16))
    .reverse();
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/**
 * Whether a call to this address must not be made. Text that is not one address in canonical form (a zone id, a short
 * or octal spelling, a name) is forbidden: callers use the WHATWG URL parser or a resolver first.
 */
export function isForbiddenAddress(address: string, exceptions: AddressExceptions = {}): boolean {
  const family = isIP(address);
  if (family === 0 || address.includes('%')) return true;
  if (family === 6 && nat64.has(address)) {
    // An exception for the prefix would open every internal IPv4 address behind it, so `allow` is asked for that alone.
    return exceptions.deny?.has(address) === true || isForbiddenAddress(embeddedIPv4(address), exceptions);
  }
  if (exceptions.allow?.has(address)) return false;
  if (exceptions.deny?.has(address)) return true;
  return family === 4 ? forbiddenIPv4.has(address) : !globalIPv6.has(address) || forbiddenIPv6.has(address);
}

/**
 * A set of addresses and CIDR blocks, for example `10.1.0.0/16`, `fd00::/8` or `127.0.0.1`.
 *
 * @throws {ConfigurationError} named after `setting` if an entry is neither.
 */
export function addressSet(setting: string, blocks: readonly string[]): AddressSet {
  const list = new BlockList();
  for (const block of blocks) {
    const [address = '', prefix, ...rest] = block.split('/');
    const family = isIP(address);
    const longest = family === 4 ? 32 : 128;
    const length = prefix === undefined ? longest : Number(prefix);
    const valid = family !== 0 && rest.length === 0 && prefix !== '' && Number.isInteger(length) && length >= 0;
    if (!valid || length > longest || address.includes('%')) {
      throw new ConfigurationError(
        setting,
        `invalid address block ${JSON.stringify(block)}: expected an address or CIDR block, for example 10.1.0.0/16`,
      );
    }
    list.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6');
  }
  return { has: (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') };
}

/** Whether a host, as it is written in a URL or a setting, names this machine. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(host);
}
