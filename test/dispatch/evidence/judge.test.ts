/** The model of who is at fault, over random sequences of replies; and what a reply is before any rule sees it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type History, judge, type Refusal, requiredMessages } from '../../../src/dispatch/evidence/judge.ts';
import { isSameReply, normaliseReply } from '../../../src/dispatch/evidence/normalise-reply.ts';

type Event =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly message: number; readonly reply: number; readonly before: boolean };

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.constant({ kind: 'accepted' as const }),
  fc.record({
    kind: fc.constant('refused' as const),
    message: fc.nat({ max: 7 }),
    reply: fc.nat({ max: 2 }),
    before: fc.boolean(),
  }),
);

const replyOf = (reply: number) => ({
  code: '550',
  enhanced: `5.7.${reply}`,
  words: ['refused', `${reply}`],
  phase: 'recipient',
});

/** Every second pair of messages has one recipient. */
const recipientOf = (message: number) => `r${Math.floor(message / 2)}`;

interface Kept extends Refusal {
  readonly at: number;
  readonly firstAt: number;
}

/** What the store does, in memory. */
function play(events: readonly Event[]) {
  const rows = new Map<number, Kept>();
  let succeededAt = -1;
  return events.map((each, at) => {
    if (each.kind === 'accepted') {
      succeededAt = at;
      return { event: each, decision: null, since: [] as Kept[], own: undefined };
    }
    const own = rows.get(each.message);
    const others = [...rows.values()]
      .filter((row) => row.messageId !== String(each.message) && row.at > succeededAt)
      .map((row) => ({ ...row, spent: row.firstAt <= succeededAt }));
    const earlier: History['earlier'] = own === undefined ? 'none' : own.firstAt <= succeededAt ? 'spent' : 'open';
    const observation = {
      messageId: String(each.message),
      recipient: recipientOf(each.message),
      reply: replyOf(each.reply),
      beforeRecipient: each.before,
    };
    const decision = judge({ others, earlier }, observation);
    const putBack = decision.atFault === 'sender';
    rows.set(each.message, {
      ...observation,
      spent: false,
      putBack,
      at,
      firstAt: own?.firstAt ?? at,
    });
    for (const id of decision.alike) {
      const row = rows.get(Number(id));
      if (row !== undefined && putBack) rows.set(Number(id), { ...row, putBack: true });
    }
    return { event: each, decision, since: others, own: earlier };
  });
}

describe('the judge', () => {
  test('finds the sender at fault only by three different recipients in a row, or before RCPT', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        for (const { event: each, decision, since, own } of play(events)) {
          if (each.kind === 'accepted' || decision === null) continue;
          if (each.before) {
            expect(decision.atFault).toBe(own === 'spent' ? 'message' : 'sender');
            continue;
          }
          const alike = since.filter((row) => isSameReply(row.reply, replyOf(each.reply)));
          const fresh = new Set(alike.filter(({ spent }) => !spent).map(({ recipient }) => recipient));
          if (own !== 'spent') fresh.add(recipientOf(each.message));
          const proven = alike.some(({ putBack }) => putBack) || fresh.size >= requiredMessages;
          expect(decision.atFault).toBe(proven ? 'sender' : 'message');
        }
      }),
      { numRuns: 500 },
    );
  });

  test('never blames the sender for one message, however often it is refused among successes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 30 }), (replies) => {
        const events = replies.flatMap((reply): Event[] => [
          { kind: 'refused', message: 0, reply, before: false },
          { kind: 'accepted' },
        ]);
        for (const { decision } of play(events)) expect(decision?.atFault).not.toBe('sender');
      }),
    );
  });
});

const nothing = { texts: [], secrets: [] };

describe('a reply', () => {
  test.each([
    ['554 5.7.1 <kim@example.com>: Relay access denied', '554 5.7.1 <lee@example.org>: Relay access denied'],
    ['550 relay not permitted', '550 relay not permitted'],
    [
      '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked',
      '554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked',
    ],
    [
      '550-5.7.26 See https://support.example/a?id=1\r\n550 5.7.26 x17-2002abc.45 - gsmtp',
      '550-5.7.26 See https://support.example/a?id=2\r\n550 5.7.26 q9-77zz.12 - gsmtp',
    ],
    [
      '553 5.7.1 <a@b.example>: Sender address rejected: not owned by user acme',
      '553 5.7.1 <a@b.example>: Sender address rejected: not owned by user acme',
    ],
  ])('has the same cause as another one: %s', (a, b) => {
    expect(isSameReply(normaliseReply(a, nothing), normaliseReply(b, nothing))).toBe(true);
  });

  test('has another cause if its words or codes differ', () => {
    const [spam, relay, code] = ['554 5.7.1 Spam rejected', '554 5.7.1 Relay access denied', '550 5.7.1 Spam rejected'];
    expect(isSameReply(normaliseReply(spam, nothing), normaliseReply(relay, nothing))).toBe(false);
    expect(isSameReply(normaliseReply(spam, nothing), normaliseReply(code, nothing))).toBe(false);
  });

  test('is compared without what the message says, even where that is a word of the server', () => {
    const known = { texts: ['denied', 'kim@example.com', 'kim'], secrets: [] };
    const a = normaliseReply('554 5.7.1 <kim@example.com>: Relay access denied for kim', known);
    expect(
      isSameReply(
        a,
        normaliseReply('554 5.7.1 <lee@x.example>: Relay access denied for lee', { texts: ['lee'], secrets: [] }),
      ),
    ).toBe(true);
    expect(a.text).not.toMatch(/kim/);
  });

  test.each(['hunter2-secret', 'p%40ss word/1', 'töken-123456'])('never shows a secret, in any form: %s', (secret) => {
    const forms = [
      secret,
      encodeURIComponent(secret),
      Buffer.from(`\0user\0${secret}`).toString('base64'),
      Buffer.from(secret).toString('base64'),
      JSON.stringify(secret),
    ];
    for (const form of forms) {
      const { text, words } = normaliseReply(`500 5.5.1 unrecognized: "AUTH PLAIN ${form}" now`, {
        texts: [],
        secrets: [secret],
      });
      expect(text).not.toContain(form);
      expect(words.join(' ')).not.toContain(form);
    }
  });

  test('has no character that steers a terminal or reorders text', () => {
    const { text } = normaliseReply('550 5.1.1 a\u202eb \u001b[2J\u009b1m\u2066c', nothing);
    expect(text).toMatch(/^[ -~]*$/);
  });

  test('of 60 KB in one line is normalised within 50 ms', () => {
    for (const filling of ['a', 'a ', '!', '@', '<', '5.1.1 ', 'a@', '://', '\u00e9', 'xX']) {
      const line = `550 5.1.1 ${filling.repeat(60_000)}`;
      // The shortest of three: other programs use this machine as well.
      const times = [1, 2, 3].map(() => {
        const began = performance.now();
        normaliseReply(line, { texts: ['ada@example.com', 'a'.repeat(500)], secrets: ['s3cret'] });
        return performance.now() - began;
      });
      expect(Math.min(...times)).toBeLessThan(50);
    }
  });

  test('of any shape is normalised without an exception, and stays bounded', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 3000 }),
        fc.array(fc.string(), { maxLength: 10 }),
        (reply, texts) => {
          const { text, words } = normaliseReply(reply, { texts, secrets: texts });
          expect(text.length).toBeLessThanOrEqual(400);
          expect(words.length).toBeLessThanOrEqual(80);
        },
      ),
    );
  });
});
