import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressSet, isForbiddenAddress } from '../../../src/dispatch/egress/ip-address.ts';

describe('an address is forbidden', () => {
  test.each([
    // IPv4, the first and the last of every block
    '0.0.0.0',
    '0.255.255.255',
    '10.0.0.0',
    '10.255.255.255',
    '100.64.0.0',
    '100.100.100.200',
    '100.127.255.255',
    '127.0.0.0',
    '127.0.0.1',
    '127.255.255.255',
    '168.63.129.16',
    '169.254.0.0',
    '169.254.169.254',
    '169.254.255.255',
    '172.16.0.0',
    '172.31.255.255',
    '192.0.0.0',
    '192.0.0.192',
    '192.0.0.255',
    '192.0.2.1',
    '192.31.196.1',
    '192.52.193.1',
    '192.88.99.1',
    '192.168.0.0',
    '192.168.255.255',
    '192.175.48.1',
    '198.18.0.0',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.0',
    '255.255.255.255',
    // IPv6
    '::',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '0:0:0:0:0:ffff:7f00:1',
    '::ffff:8.8.8.8',
    '::127.0.0.1',
    '::8.8.8.8',
    '::ffff:0:127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    '100::1',
    '100:0:0:1::1',
    '2001::1',
    '2001:0:4136:e378:8000:63bf:3fff:fdd2',
    '2001:2::1',
    '2001:10::1',
    '2001:20::1',
    '2001:db8::1',
    '2001:1ff:ffff::1',
    '2002:7f00:1::',
    '2002:0808:0808::1',
    '2620:4f:8000::1',
    '3fff::1',
    '3fff:fff:ffff::1',
    '4000::1',
    '5f00::1',
    'fc00::1',
    'fd00::1',
    'fd00:ec2::254',
    'fe80::1',
    'febf::1',
    'fec0::1',
    'ff02::1',
    'ff0e::1',
    // with a zone, which leads to an interface of ours
    'fe80::1%eth0',
    '2606:4700::1%eth0',
    '2606:4700::1%1',
    // not canonical addresses: other programs read them differently from us
    '',
    'localhost',
    '127.1',
    '0x7f.1',
    '2130706433',
    '0177.0.0.1',
    '127.0.0.1.',
    ' 127.0.0.1',
    '[::1]',
    '8.8.8.8/32',
    '①②⑦.0.0.1',
    '08.8.8.8',
    '8.8.8',
    '8.8.8.8 ',
    'example.com',
  ])('%s', (address) => {
    expect(isForbiddenAddress(address)).toBe(true);
  });
});

describe('an address is allowed', () => {
  test.each([
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '168.63.129.15',
    '168.63.129.17',
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.0',
    '192.0.3.0',
    '192.167.255.255',
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2001:200::1',
    '2001:4860:4860::8888',
    '2001:db7::1',
    '2001:db9::1',
    '2003::1',
    '2606:4700:4700::1111',
    '2620:4f:7fff::1',
    '2620:4f:8001::1',
    '3ffe::1',
    '3fff:1000::1',
    '2a00:1450:4001::200e',
    '64:ff9b::808:808',
    '64:ff9b::8.8.8.8',
    '0064:FF9B:0:0:0:0:808:0808',
  ])('%s', (address) => {
    expect(isForbiddenAddress(address)).toBe(false);
  });
});

test('no way to write an IPv4 address inside an IPv6 one gets through', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(byte, byte, byte, byte, (a, b, c, d) => {
      const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
      const spellings = [
        `::ffff:${hex}`,
        `::${hex}`,
        `64:ff9b:1::${hex}`,
        `2002:${hex}::1`,
        `2001:0:${hex}::1`,
        `::ffff:0:${hex}`,
      ];
      return spellings.every((spelling) => isForbiddenAddress(spelling));
    }),
  );
});

test('an address of NAT64 is judged by the IPv4 address in it (RFC 6052)', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const special = fc.constantFrom('10.0.0.1', '169.254.169.254', '127.0.0.1', '0.0.0.0', '255.255.255.255', '1.0.0.0');
  const any = fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join('.'));
  fc.assert(
    fc.property(fc.oneof(special, any), (ipv4) => {
      const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
      const hex = `64:ff9b::${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
      for (const address of [hex, `64:ff9b::${ipv4}`, `64:ff9b:0:0:0:0:${ipv4}`])
        expect(isForbiddenAddress(address)).toBe(isForbiddenAddress(ipv4));
    }),
  );
});

test('an exception for the prefix of NAT64 opens no internal address behind it', () => {
  const allow = addressSet('allow', ['64:ff9b::/96']);
  expect(isForbiddenAddress('64:ff9b::a00:1', { allow })).toBe(true);
  expect(isForbiddenAddress('64:ff9b::a9fe:a9fe', { allow })).toBe(true);
  const internal = { allow: addressSet('allow', ['10.0.0.0/8']), deny: addressSet('deny', ['8.8.8.8']) };
  expect(isForbiddenAddress('64:ff9b::a00:1', internal)).toBe(false);
  expect(isForbiddenAddress('64:ff9b::808:808', internal)).toBe(true);
  expect(isForbiddenAddress('64:ff9b::808:808', { deny: addressSet('deny', ['64:ff9b::/96']) })).toBe(true);
});

describe('the operator', () => {
  const allow = addressSet('allow', ['10.1.0.0/16', 'fd00::/8', '127.0.0.1']);
  const deny = addressSet('deny', ['5.6.7.8', '2a00:1::/32']);

  test('allows blocks and single addresses', () => {
    for (const address of ['10.1.2.3', 'fd12::1', '127.0.0.1'])
      expect(isForbiddenAddress(address, { allow })).toBe(false);
    for (const address of ['10.2.0.1', '127.0.0.2', 'fe80::1'])
      expect(isForbiddenAddress(address, { allow })).toBe(true);
  });

  test('denies public ones', () => {
    expect(isForbiddenAddress('5.6.7.8', { deny })).toBe(true);
    expect(isForbiddenAddress('5.6.7.9', { deny })).toBe(false);
    expect(isForbiddenAddress('2a00:1:2::3', { deny })).toBe(true);
  });

  test('cannot allow a zone', () => {
    expect(isForbiddenAddress('fd12::1%eth0', { allow })).toBe(true);
  });

  test.each([
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    'fd00::/129',
    'example.com',
    '10.0.0',
    'fe80::1%a/64',
    '10.0.0.0/8x',
  ])('hears that %s is not a block', (block) => {
    expect(() => addressSet('egress.allowCidrs', [block])).toThrow(/^egress\.allowCidrs: invalid address block /);
  });
});
