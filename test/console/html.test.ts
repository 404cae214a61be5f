/** The pages of the console are valid HTML. */
import { HtmlValidate, StaticConfigLoader } from 'html-validate';
import { beforeAll, expect, test } from 'vitest';
import { createCaptureStore } from '../../src/development/capture-store.ts';
import { endpoints } from '../../src/operate/endpoints.ts';
import { createSecretBox } from '../../src/secrets.ts';
import { greetingFile, putTemplates } from '../support/application.ts';
import { createClient, type Client, token, useConsoleDatabase } from './support.ts';

const database = useConsoleDatabase();
const keys = [Buffer.alloc(32, 5).toString('base64')];
const captured = createCaptureStore({ isMessage: async () => false });
const paths = new Map<string, string>([
  ['the overview', '/'],
  ['the messages', '/messages'],
  ['no messages', '/messages?recipient=unknown'],
  ['an action on all', '/messages/all/retry'],
  ['the templates', '/templates'],
  ['a template', '/templates/greeting'],
  ['a preview', '/templates/greeting/preview'],
  ['a chat preview', '/templates/greeting/preview?view=slack'],
  ['the endpoints', '/endpoints'],
  ['no recipient', '/recipients'],
  ['a recipient', '/recipients?id=ada'],
  ['the suppressions', '/suppressions'],
  ['the workers', '/workers'],
  ['the audit', '/audit'],
  ['the captured', '/captured'],
]);
let client: Client;

beforeAll(async () => {
  await putTemplates(database.pool, { greeting: greetingFile });
  const { rows } = await database.pool.query(
    `SELECT message_id AS id FROM herald.enqueue(
       '{"template": "greeting", "to": [{"id": "ada", "email": "a@example.com"}], "labels": {"who": "<Ada & Bob>"}}')`,
  );
  await database.pool.query(`UPDATE herald.message SET status = 'failed', reason = 'refused', settled_at = now()`);
  const stored = endpoints(database.pool, { secrets: createSecretBox(keys) });
  const { id } = await stored.add({ name: 'Billing', url: 'https://hooks.example.com/in' });
  const raw = Buffer.from('Subject: Bill\r\nContent-Type: text/plain\r\n\r\nsix euros');
  await captured.add({ kind: 'mail', messageId: null, to: 'a@example.com', title: 'Bill', raw });
  const [email] = await captured.list();
  paths.set('a message', `/messages/${rows[0].id}`);
  paths.set('an endpoint', `/endpoints/${id}`);
  for (const view of ['text', 'headers', 'files', 'source'])
    paths.set(`${view} of an email`, `/captured/${email?.id}?view=${view}`);
  client = createClient(database, { captured, secretKeys: keys });
});

function problemsOf(html: string): string[] {
  const lint = new HtmlValidate(
    new StaticConfigLoader({
      extends: ['html-validate:standard', 'html-validate:a11y'],
      // A region that scrolls is a div, whose name is that of its table. A button without a type submits its form.
      rules: { 'prefer-native-element': 'off', 'no-implicit-button-type': 'off' },
    }),
  );
  const { results } = lint.validateStringSync(html);
  return results.flatMap(({ messages }) => messages.map((m) => `${m.line} ${m.ruleId}: ${m.message}`));
}

test('every page is valid', async () => {
  const problems: string[] = [];
  for (const [name, path] of paths)
    problems.push(...problemsOf(await client.see(path)).map((problem) => `${name}: ${problem}`));
  expect(problems).toEqual([]);
});

test('so are the sign-in, and pages that say what is wrong', async () => {
  const byToken = createClient(database, { authorize: undefined as never, token });
  expect(problemsOf(await byToken.see('/login'))).toEqual([]);
  expect(problemsOf(await (await client.visit('/nothing')).text())).toEqual([]);
});
