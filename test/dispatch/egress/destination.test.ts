import { describe, expect, test } from 'vitest';
import { addressSet } from '../../../src/dispatch/egress/ip-address.ts';
import { checkDestination, type DestinationPolicy } from '../../../src/dispatch/egress/destination.ts';

const policy: DestinationPolicy = { allowHosts: [], ports: [443, 8443], allowHttp: false };
const refusal = (url: string, changes: Partial<DestinationPolicy> = {}) => {
  const destination = checkDestination(url, { ...policy, ...changes });
  return 'refusal' in destination ? destination.refusal : null;
};

test.each([
  'https://hooks.example.com/a?b=c',
  'https://hooks.example.com:8443/',
  'https://HOOKS.example.com./',
  'https://8.8.8.8/',
  'https://[2606:4700::1]/',
  'https://bücher.example/',
])('%s may be called', (url) => {
  expect(refusal(url)).toBeNull();
});

describe('may not be called', () => {
  test.each([
    'https://127.0.0.1/',
    'https://127.1/',
    'https://0x7f.1/',
    'https://0x7f000001/',
    'https://2130706433/',
    'https://017700000001/',
    'https://0177.0.0.1/',
    'https://127.0.0.1./',
    'https://①②⑦.0.0.1/',
    'https://127。0。0。1/',
    'https://%31%32%37.0.0.1/',
    'https://0/',
    'https://0.0.0.0/',
    'https://169.254.169.254/latest/meta-data',
    'https://0xa9fea9fe/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[0:0:0:0:0:ffff:7f00:1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[2002:7f00:1::]/',
    'https://[2001::1]/',
    'https://[fd00:ec2::254]/',
    'https://[fe80::1]/',
    'https://10.0.0.1/',
    'https://192.168.1.1/',
    'https://100.100.100.200/',
    'https://168.63.129.16/',
  ])('the address %s', (url) => {
    expect(refusal(url)).toBe('its address is not public');
  });

  test.each([
    'https://localhost/',
    'https://LOCALHOST./',
    'https://a.localhost/',
    'https://printer/',
    'https://printer.local/',
    'https://metadata.google.internal/',
    'https://router.home.arpa/',
    'https://x.internal./',
  ])('the internal name %s', (url) => {
    expect(refusal(url)).toBe('its host name is internal');
  });

  test.each([
    ['http://hooks.example.com/', 'its scheme is not https'],
    ['ftp://hooks.example.com/', 'its scheme is not https'],
    ['file:///etc/passwd', 'its scheme is not https'],
    ['javascript:alert(1)', 'its scheme is not https'],
    ['https://user@hooks.example.com/', 'it contains a user name or password'],
    ['https://user:pass@hooks.example.com/', 'it contains a user name or password'],
    ['https://hooks.example.com:22/', 'port 22 is not allowed'],
    ['https://hooks.example.com:5432/', 'port 5432 is not allowed'],
    ['https://[fe80::1%25eth0]/', 'it is not an absolute URL'],
    ['//hooks.example.com/', 'it is not an absolute URL'],
    ['', 'it is not an absolute URL'],
    ['https://', 'it is not an absolute URL'],
  ])('%s: %s', (url, reason) => {
    expect(refusal(url)).toBe(reason);
  });
});

describe('the operator', () => {
  test('opens http and ports to everybody', () => {
    expect(refusal('http://hooks.example.com/', { allowHttp: true, ports: [80] })).toBeNull();
    expect(refusal('http://hooks.example.com/', { allowHttp: true })).toBe('port 80 is not allowed');
  });

  test('allows blocks of addresses with any port and without TLS', () => {
    const allow = addressSet('allow', ['10.1.0.0/16']);
    expect(refusal('http://10.1.2.3:9000/', { allow })).toBeNull();
    expect(refusal('http://10.2.2.3:9000/', { allow })).toBe('its address is not public');
  });

  test('allows names, and suffixes that start with a dot', () => {
    const allowHosts = ['receiver', '.svc.cluster.local'];
    expect(refusal('http://receiver:9000/', { allowHosts })).toBeNull();
    expect(refusal('http://a.b.svc.cluster.local/', { allowHosts })).toBeNull();
    expect(refusal('http://svc.cluster.local/', { allowHosts })).toBe('its host name is internal');
    expect(refusal('http://evilreceiver:9000/', { allowHosts })).toBe('its host name is internal');
  });

  test('cannot allow credentials in a URL', () => {
    expect(refusal('http://u:p@receiver/', { allowHosts: ['receiver'] })).toBe('it contains a user name or password');
  });
});
