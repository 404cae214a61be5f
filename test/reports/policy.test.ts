/** The policy as a table. */
import { expect, test } from 'vitest';
import { policyOf, type ReportEffect, type ReportFacts } from '../../src/reports/policy.ts';

const failed = (enhanced: string | null): ReportFacts => ({ kind: 'bounce', action: 'failed', enhanced });

test.each<[effect: ReportEffect, codes: readonly string[]]>([
  ['dead', ['5.1.1', '5.1.6', '5.1.10', '5.2.1']],
  [
    'soft',
    ['5.2.2', '5.1.2', '5.1.0', '5.4.4', '5.4.1', '4.2.2', '4.4.7', '4.4.1', '4.2.1', '4.0.0', '4.3.1', '4.1.1'],
  ],
  [
    'ours',
    [
      '5.7.1',
      '5.7.26',
      '5.7.515',
      '5.6.0',
      '5.3.4',
      '5.2.3',
      '5.5.0',
      '5.1.8',
      '4.7.0',
      '4.7.650',
      '4.3.4',
      '4.1.8',
      '4.5.1',
    ],
  ],
  ['none', ['5.0.0', '5.9.9', '2.1.1', '2.0.0', '5.1.3', '5.11.1', '5.1.100', '4', 'x']],
])('of a returned email: %s', (effect, codes) => {
  for (const code of codes) expect([code, policyOf(failed(code))]).toEqual([code, effect]);
});

test('of what is no failure nothing follows, whatever its code says', () => {
  for (const action of ['delayed', 'delivered', 'relayed', 'expanded', null] as const)
    expect(policyOf({ kind: 'bounce', action, enhanced: '5.1.1' })).toBe('none');
  for (const kind of ['delay', 'other'] as const)
    expect(policyOf({ kind, action: 'failed', enhanced: '5.1.1' })).toBe('none');
  expect(policyOf(failed(null))).toBe('none');
});

test('a person decides without a code', () => {
  expect(policyOf({ kind: 'complaint', action: null, enhanced: null })).toBe('complaint');
  expect(policyOf({ kind: 'unsubscribe', action: null, enhanced: null })).toBe('unsubscribe');
});
