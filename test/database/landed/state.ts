/**
 * The SQL of a database as this state of the repository makes it, with rows in it. Each file beside this one is the result for an
 * earlier state; `npm run migrations:check` upgrades each of them. Run a file on an empty database.
 */
import { installScript } from '../../../src/database/migrate.ts';

/** One message in each interesting status, with what hangs on it. Uses what a release may not take away: the SQL functions. */
const rows = `
INSERT INTO herald.template (name, "group", current_version) VALUES ('greeting', 'Greetings', 1), ('code', 'Security', 1);
INSERT INTO herald.template_version (template, version, title, body, labels, secrets, content_hash) VALUES
  ('greeting', 1, 'Hello {{labels.who}}', 'Dear {{labels.who}}', '{who}', '{}', 'x'),
  ('code', 1, 'Your code', 'It is {{labels.code}}.', '{code}', '{code}', 'y');
INSERT INTO herald.endpoint (id, name, method, groups, url_host, sealed) VALUES
  ('01890000-0000-7000-8000-000000000001', 'everything', 'webhook', '{}', 'hooks.example.com', 'sealed');
INSERT INTO herald.suppression (method, address, reason, suppressed_at) VALUES ('smtp', 'dead@example.com', 'operator', now());
SELECT herald.set_preference('3', 'template', 'greeting', false);
SELECT herald.enqueue('greeting', '[{"id": "1", "email": "a@example.com"}, {"id": "2", "email": "b@example.com"},
  {"id": "3", "email": "c@example.com"}, {"id": "4", "email": "dead@example.com"}]', '{"who": "Ada"}', dedupe_key => 'k',
  targets => '{thing-1}', data => '{"deep": [1, {"more": true}]}');
SELECT herald.enqueue('greeting', '{"id": "5", "email": "e@example.com"}', '{"who": "Eve"}', methods => '{smtp,webhook}',
  attachments => '[{"name": "a.txt", "contentType": "text/plain", "content": "aGVsbG8="}]');
SELECT herald.enqueue('{"template": "code", "to": {"id": "6", "email": "f@example.com"}, "labels": {"code": "123456"},
  "delaySeconds": 86400, "allowPlainSecrets": true}'::jsonb);
SELECT herald.enqueue('greeting', '{"id": "7", "email": "g@example.com"}', '{"who": "Gus"}', dedupe_key => 'cancelled');
SELECT herald.cancel(dedupe_key => 'cancelled');
UPDATE herald.message SET status = 'held', next_attempt_at = 'infinity' WHERE recipient_id = '2';
`;

/** Returns the script that makes such a database. */
export function landedState(): string {
  return `${installScript()}\n${rows}`;
}
