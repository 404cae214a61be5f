/** Whatever people put into names, addresses and labels: no header gains a line, nothing crashes, nothing hangs. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../../src/email-address.ts';
import { writeEmail } from '../../../src/dispatch/smtp/email-message.ts';
import { parseSmtpOptions } from '../../../src/dispatch/smtp/smtp-settings.ts';
import { createRenderer } from '../../../src/templates/render.ts';
import { delivery } from '../support.ts';
import { known, namesOf, nasty } from './nasty.ts';

const settings = parseSmtpOptions({ host: 'localhost', from: { name: 'Acme', address: 'noreply@acme.example' } });
const render = createRenderer();
const template = {
  name: 'greeting',
  version: 1,
  title: 'Hello {{labels.who}}',
  body: 'Dear {{labels.who}}, {{recipient.name}}: **{{labels.what}}**',
  actions: [{ label: 'Open {{labels.who}}', url: 'https://acme.example/{{labels.what}}' }],
};

async function headersOf(who: string, what: string, name: string): Promise<string[]> {
  const recipient = { id: 'r', email: 'ada@example.com', name };
  const labels = { who, what };
  const content = render({
    template,
    recipient,
    labels,
    data: null,
    targets: [],
    brand: { appName: 'Acme', baseUrl: 'https://acme.example' },
    createdAt: new Date(0),
  });
  const parsed = parseAddress(recipient.email);
  if ('problem' in parsed) throw new Error(parsed.problem);
  const message = await writeEmail(
    {
      delivery: delivery({
        method: 'smtp',
        recipient,
        labels,
        content,
        groupKey: what,
        template: { name: 'greeting', version: 1, group: who },
        unsubscribeUrl: 'https://acme.example/u/1',
      }),
      to: parsed.address,
      settings,
      idDomain: 'acme.example',
    },
    undefined,
  );
  const raw = (message as Buffer).toString('latin1');
  // A bare carriage return or line feed would be a line end to some servers.
  expect(raw.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  for (const line of raw.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
  const head = raw.slice(0, raw.indexOf('\r\n\r\n'));
  return head.replace(/\r\n[ \t]+/g, ' ').split('\r\n');
}

describe('an email of hostile values', () => {
  test('has exactly the headers that it always has', async () => {
    const usual = namesOf(await headersOf('Ada', 'x', 'Ada'));
    await fc.assert(
      fc.asyncProperty(nasty, nasty, nasty, async (who, what, name) => {
        // Enqueue lets names have 200 characters.
        const lines = await headersOf(who, what, name.slice(0, 200));
        for (const line of lines) expect(line).toMatch(known);
        expect(namesOf(lines)).toEqual(usual);
      }),
      { numRuns: 400 },
    );
  });

  test('an address is one plain mailbox or refused, and what is accepted survives its round trip', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          nasty,
          fc.emailAddress(),
          fc.tuple(nasty, fc.domain()).map(([local, domain]) => `${local}@${domain}`),
        ),
        (text) => {
          const parsed = parseAddress(text);
          if ('problem' in parsed) {
            if (text.length > 20) expect(parsed.problem).not.toContain(text);
            return;
          }
          expect(text).not.toMatch(/[\s<>,;:"()\u0000-\u001f]/);
          expect(parsed.address.domain).toMatch(/^[a-z0-9.-]+$/);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
