/** The same through the whole dispatcher, judged by what a server reads from the wire: commands, head, and that it ends. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAddress } from '../../../src/email-address.ts';
import type { Dispatcher } from '../../../src/dispatch/dispatcher.ts';
import { smtp } from '../../../src/dispatch/smtp/smtp.ts';
import { ConfigurationError } from '../../../src/errors.ts';
import { conversation, type ScriptedSmtpServer, startSmtpScript } from '../../support/smtp-script.ts';
import { context, delivery } from '../support.ts';
import { known, namesOf, nasty } from './nasty.ts';

let relay: ScriptedSmtpServer;
let dispatcher: Dispatcher;

const from = { name: 'Acme', address: 'noreply@acme.example' };
async function dispatcherTo(port: number, more: object = {}): Promise<Dispatcher> {
  const made = smtp({ host: '127.0.0.1', port, tls: 'none', from, maxConnections: 1, sendTimeoutSeconds: 10, ...more });
  await made.start?.({ method: 'smtp', pool: null as never, logger: context().logger });
  return made;
}

beforeAll(async () => {
  // nodemailer opens a new connection after 100 emails.
  const mails = Array.from({ length: 100 }, () => conversation().slice(2)).flat();
  relay = await startSmtpScript([...conversation().slice(0, 2), ...mails]);
  dispatcher = await dispatcherTo(relay.port);
});
afterAll(async () => {
  await dispatcher.close?.();
  await relay.close();
});

const addresses = fc.oneof(
  { weight: 2, arbitrary: nasty },
  { weight: 2, arbitrary: fc.emailAddress() },
  { weight: 3, arbitrary: nasty.map((text) => `${text}@example.com`) },
  { weight: 3, arbitrary: nasty.map((text) => `ada@example.com${text}`) },
);

const headOf = (message: string) =>
  message
    .slice(0, message.indexOf('\r\n\r\n'))
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n');

/** Everything of one email on the wire but its message. */
function commandsSince(at: number): string[] {
  const lines = relay.lines().slice(at);
  return lines.slice(0, lines.indexOf('DATA') + 1).filter((line) => !/^(EHLO|RSET|QUIT)\b/.test(line));
}

async function send(changes: Parameters<typeof delivery>[0]) {
  const at = relay.lines().length;
  const before = relay.messages().length;
  const result = await dispatcher.dispatch(delivery({ method: 'smtp', ...changes }), context());
  return { result, commands: commandsSince(at), messages: relay.messages().slice(before) };
}

const whole = { groupKey: 'g', unsubscribeUrl: 'https://acme.example/u/1' };

test('hostile names, titles, group keys and unsubscribe addresses: two commands, the usual headers, one email', async () => {
  const usual = namesOf(headOf((await send(whole)).messages[0] ?? ''));
  await fc.assert(
    fc.asyncProperty(nasty, nasty, nasty, nasty, async (name, title, groupKey, path) => {
      const unsubscribeUrl = `https://acme.example/u/${path}`;
      // A URL that does not fit on one line is left out.
      const fits = (URL.parse(unsubscribeUrl)?.href.length ?? 901) <= 900;
      const { result, commands, messages } = await send({
        recipient: { id: 'r', email: 'ada@example.com', name: name.slice(0, 200) },
        content: { ...delivery().content, title: `Hello ${title}` },
        template: { name: 'greeting', version: 1, group: title },
        groupKey,
        unsubscribeUrl,
      });
      expect(result).toMatchObject({ outcome: 'sent' });
      expect(commands).toEqual([
        expect.stringMatching(/^MAIL FROM:<noreply@acme\.example>( BODY=8BITMIME)?( SIZE=\d+)?$/),
        'RCPT TO:<ada@example.com>',
        'DATA',
      ]);
      expect(messages).toHaveLength(1);
      const lines = headOf(messages[0] ?? '');
      for (const line of lines) expect(line).toMatch(known);
      expect(namesOf(lines)).toEqual(usual.filter((name) => fits || !name.startsWith('List-Unsubscribe')));
    }),
    { numRuns: 150 },
  );
  expect(relay.departures()).toEqual([]);
});

test('hostile addresses: one plain mailbox is named, or nothing is said at all', async () => {
  await fc.assert(
    fc.asyncProperty(addresses, async (email) => {
      const parsed = parseAddress(email);
      const { result, commands, messages } = await send({ recipient: { id: 'r', email } });
      if (result.outcome !== 'sent') {
        expect(result).toMatchObject({ outcome: 'failed', reason: 'invalid_address' });
        expect([commands, messages]).toEqual([[], []]);
        return;
      }
      const named = 'address' in parsed ? `${parsed.address.local}@${parsed.address.domain}` : null;
      expect(commands.slice(1)).toEqual([`RCPT TO:<${named}>`, 'DATA']);
      expect(headOf(messages[0] ?? '').filter((line) => /^(To|Cc|Bcc):/i.test(line))).toHaveLength(1);
    }),
    { numRuns: 300 },
  );
  expect(relay.departures()).toEqual([]);
});

test('hostile reply addresses of the settings are refused, or become one header', async () => {
  await fc.assert(
    fc.asyncProperty(nasty, addresses, async (name, address) => {
      let replying: Dispatcher;
      try {
        replying = await dispatcherTo(relay.port, { replyTo: { name, address } });
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigurationError);
        return;
      }
      const before = relay.messages().length;
      expect(await replying.dispatch(delivery({ method: 'smtp' }), context())).toMatchObject({ outcome: 'sent' });
      await replying.close?.();
      const lines = headOf(relay.messages()[before] ?? '');
      for (const line of lines) expect(line).toMatch(known);
      expect(lines.filter((line) => /^Reply-To:/i.test(line))).toHaveLength(1);
    }),
    { numRuns: 100 },
  );
});
