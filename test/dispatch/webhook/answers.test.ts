import { describe, expect, test } from 'vitest';
import type { FormatName } from '../../../src/dispatch/webhook/formats/formats.ts';
import { formats } from '../../../src/dispatch/webhook/formats/formats.ts';

const now = new Date('2026-11-24T08:00:00.000Z');

describe('answers', () => {
  const context = { retry: 'all', attempt: 1, now } as const;
  type Row = [FormatName, number, string, Record<string, string>, object | null];
  const sent = { result: { outcome: 'sent' }, endpoint: 'healthy' };
  const refused = { result: { outcome: 'failed', reason: 'content_refused' }, endpoint: 'refusing' };
  const unusable = {
    result: { outcome: 'retry', reason: 'authentication', pauseMethod: true, alert: true },
    endpoint: 'unusable',
  };
  const gone = { result: { outcome: 'failed', reason: 'gone' }, endpoint: 'gone' };
  test.each<Row>([
    ['standard', 200, '', {}, null],
    ['slack', 200, 'ok', {}, sent],
    ['slack', 200, 'ok\n', {}, sent],
    ['slack', 200, '', {}, sent],
    ['slack', 200, '{"success":true}', {}, sent],
    ['slack', 200, '{"ok":true}', {}, sent],
    ['slack', 200, '{"result":"success","msg":""}', {}, sent],
    ['slack', 200, '<html>posted</html>', {}, sent],
    ['slack', 200, '{"ok":false,"error":"x"}', {}, { result: { outcome: 'retry' }, endpoint: 'failing' }],
    ['slack', 200, '{"success":false}', {}, { result: { outcome: 'retry' }, endpoint: 'failing' }],
    ['slack', 200, '{"result":"error"}', {}, { result: { outcome: 'retry' }, endpoint: 'failing' }],
    ['slack', 200, 'no_text', {}, { result: { outcome: 'retry', reason: 'unparsable_reply' }, endpoint: 'failing' }],
    ['slack', 400, 'invalid_payload', {}, refused],
    ['slack', 400, 'user_not_found', {}, refused],
    [
      'slack',
      403,
      'action_prohibited',
      {},
      { ...unusable, result: { ...unusable.result, detail: 'HTTP 403: action_prohibited' } },
    ],
    ['slack', 404, 'no_service', {}, unusable],
    [
      'slack',
      404,
      '<html>https://secret</html>',
      {},
      { ...unusable, result: { ...unusable.result, detail: 'HTTP 404: the webhook is not accepted' } },
    ],
    [
      'slack',
      410,
      'channel_is_archived',
      {},
      { ...gone, result: { ...gone.result, detail: 'HTTP 410: channel_is_archived' } },
    ],
    ['slack', 429, '', { 'retry-after': '30' }, null],
    ['slack', 500, 'rollup_error', {}, null],
    ['teams', 202, '', {}, sent],
    ['teams', 200, '1', {}, sent],
    [
      'teams',
      200,
      'Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429',
      {},
      { result: { outcome: 'retry', reason: 'server_error' }, endpoint: 'failing' },
    ],
    ['teams', 400, '', {}, refused],
    ['teams', 413, '', {}, { ...refused, endpoint: 'healthy' }],
    ['teams', 401, '', {}, unusable],
    ['teams', 404, '', {}, unusable],
    ['teams', 429, '', {}, null],
    [
      'discord',
      200,
      '{"id":"123"}',
      {},
      { result: { outcome: 'sent', reply: { code: '200', receiverId: '123' } }, endpoint: 'healthy' },
    ],
    ['discord', 204, '', {}, sent],
    ['discord', 404, '{"code":10015}', {}, gone],
    ['discord', 400, '{"code":50035}', {}, refused],
    ['discord', 401, '{"code":50027}', {}, unusable],
    [
      'discord',
      429,
      '{"retry_after":64.57}',
      {},
      { result: { outcome: 'retry', reason: 'rate_limited', retryAfterSeconds: 65 }, endpoint: 'overloaded' },
    ],
    ['discord', 429, '{"retry_after":64.57}', { 'retry-after': '90' }, null],
    ['discord', 429, 'not json', {}, null],
    ['discord', 503, '', {}, null],
    [
      'pagerduty',
      202,
      '{"status":"success","dedup_key":"k"}',
      {},
      { result: { outcome: 'sent', reply: { code: '202', receiverId: 'k' } }, endpoint: 'healthy' },
    ],
    ['pagerduty', 400, '', {}, refused],
    ['pagerduty', 403, '', {}, unusable],
    ['pagerduty', 429, '', {}, null],
    ['pagerduty', 500, '', {}, null],
    [
      'ntfy',
      200,
      '{"id":"abc"}',
      {},
      { result: { outcome: 'sent', reply: { code: '200', receiverId: 'abc' } }, endpoint: 'healthy' },
    ],
    ['ntfy', 401, '', {}, unusable],
    ['ntfy', 403, '', {}, unusable],
    ['ntfy', 413, '', {}, { ...refused, endpoint: 'healthy' }],
    ['ntfy', 400, '', {}, refused],
    ['ntfy', 429, '', {}, null],
  ])('%s: %i %j', (name, status, body, headers, expected) => {
    const verdict = formats[name].classify({ status, body, headers }, context);
    if (expected === null) expect(verdict).toBeNull();
    else expect(verdict).toMatchObject(expected);
  });
});
