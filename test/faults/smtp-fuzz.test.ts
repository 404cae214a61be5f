/**
 * Random SMTP replies: codes, enhanced codes, texts, lines that contradict each other, splits, delays, breaks. A small
 * model of what a reply may mean judges each result.
 */
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { DispatchResult } from '../../src/dispatch/dispatcher.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { reasons } from '../../src/vocabulary.ts';
import { context, delivery } from '../dispatch/support.ts';
import { conversation, startSmtpScript, type Step } from '../support/smtp-script.ts';
import { useDatabase } from '../support/use-database.ts';

/** `early`: the reply comes behind 354, before the message was sent. */
const phases = ['greeting', 'ehlo', 'mail', 'recipient', 'data', 'early', 'message'] as const;
type Phase = (typeof phases)[number];

interface Line {
  readonly code: string;
  readonly separator: string;
  readonly text: string;
}

interface Case {
  readonly phase: Phase;
  readonly lines: readonly Line[];
  /** Where the bytes are split, and how long the pause after each part is. */
  readonly splits: readonly { readonly at: number; readonly ms: number }[];
  /** Bytes after which the server breaks off; null: the reply is complete. */
  readonly cutAt: number | null;
  readonly then: 'keep' | 'end' | 'destroy' | 'reset';
  /** Bytes of the attached file. */
  readonly fileBytes: number;
}

const planted = 'PLANTED-s3cret-4711';
const codes = ['220', '250', '250', '251', '354', '421', '432', '450', '452', '503', '530', '535', '550', '552', '554'];
const badCodes = ['2500', '25', '2', '', '999', '099', '600', '2x0', ' 250', '-250', '٢٥٠', 'OK'];
const enhancedCodes = [
  '',
  '2.0.0 ',
  '4.2.2 ',
  '4.7.0 ',
  '5.1.1 ',
  '5.3.4 ',
  '5.5.1 ',
  '5.7.1 ',
  '5.7.26 ',
  '9.99.999 ',
];
const texts = [
  '',
  'ok',
  `no, ${planted} is not welcome`,
  '<ada@example.com>: unknown',
  'too many connections',
  'grüße \u0000\u0007\t\r x',
  '250 2.0.0 queued',
  'x'.repeat(60_000),
];

const text = fc
  .tuple(fc.constantFrom(...enhancedCodes), fc.oneof(fc.constantFrom(...texts), fc.string({ maxLength: 80 })))
  .map((parts) => parts.join('').replaceAll('\n', ' '));
const code = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...codes) },
  { weight: 1, arbitrary: fc.constantFrom(...badCodes) },
);
const separator = fc.oneof(
  { weight: 8, arbitrary: fc.constant(' ') },
  { weight: 1, arbitrary: fc.constantFrom('', '\t') },
);
const uniformLines = fc
  .tuple(code, fc.array(text, { minLength: 1, maxLength: 4 }))
  .filter(([, all]) => all.join('').length < 65_000)
  .map(([same, all]) =>
    all.map((each, i) => ({
      code: same,
      separator: i < all.length - 1 ? '-' : ' ',
      text: each,
    })),
  );
const mixedLines = fc
  .tuple(
    fc.array(
      fc.record({
        code,
        separator: fc.constant('-'),
        text: fc.constantFrom('ok', '5.1.1 no'),
      }),
      {
        maxLength: 3,
      },
    ),
    fc.record({ code, separator, text }),
  )
  .map(([before, last]) => [...before, last]);

const cases: fc.Arbitrary<Case> = fc.record({
  phase: fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom(...phases) },
    { weight: 1, arbitrary: fc.constant('message' as const) },
  ),
  lines: fc.oneof({ weight: 2, arbitrary: uniformLines }, { weight: 1, arbitrary: mixedLines }),
  splits: fc.array(fc.record({ at: fc.nat(120), ms: fc.constantFrom(0, 1, 5, 50) }), { maxLength: 4 }),
  cutAt: fc.option(fc.nat(60), { freq: 5 }),
  then: fc.constantFrom('keep', 'keep', 'keep', 'end', 'destroy', 'reset'),
  fileBytes: fc.constantFrom(0, 0, 0, 40_000),
});

function bytesOf({ lines, cutAt }: Case): Buffer {
  const all = Buffer.from(lines.map((line) => `${line.code}${line.separator}${line.text}\r\n`).join(''));
  return cutAt === null ? all : all.subarray(0, cutAt);
}

/** The model: the code of a reply if it is one (RFC 5321 section 4.2), else null. */
function codeOf(reply: Buffer): string | null {
  const [first = '', ...rest] = String(reply.toString('latin1')).split('\r\n').reverse();
  if (first !== '' || rest.length === 0) return null;
  const [last = '', ...before] = rest;
  const stated = /^([0-9]{3})(?: |$)/.exec(last)?.[1];
  if (stated === undefined || before.some((line) => !line.startsWith(`${stated}-`))) return null;
  return stated;
}

/** Parts with pauses, then the close. A reply that the client must wait for ends with the connection. */
function stepsOf(fuzzed: Case): Step[] {
  const early = fuzzed.phase === 'early';
  const bytes = bytesOf(fuzzed);
  const parts: Step[] = [];
  let done = 0;
  for (const { at, ms } of (early ? [] : fuzzed.splits).toSorted((a, b) => a.at - b.at)) {
    if (at <= done || at >= bytes.length) continue;
    parts.push({ raw: bytes.subarray(done, at) }, { delayMs: ms });
    done = at;
  }
  // In one packet with 354: what comes later cannot be told from a reply to the end.
  parts.push({ raw: Buffer.concat([Buffer.from(early ? '354 go ahead\r\n' : ''), bytes.subarray(done)]) });
  const lastLine = bytes.toString('latin1').trimEnd().split('\r\n').at(-1) ?? '';
  const open = !bytes.subarray(-2).equals(Buffer.from('\r\n')) || /^\d*-/.test(lastLine) || lastLine === '';
  const then = fuzzed.then === 'keep' && open ? 'end' : fuzzed.then;
  return then === 'keep' ? parts : [...parts, { then }];
}

function scriptOf(fuzzed: Case): Step[] {
  const ordinary = conversation();
  const at = phases.filter((phase) => phase !== 'early').indexOf(fuzzed.phase === 'early' ? 'data' : fuzzed.phase);
  const step = ordinary[at];
  const own: Step[] = step?.expect ? [{ expect: step.expect }] : [];
  return [...ordinary.slice(0, at), ...own, ...stepsOf(fuzzed), ...ordinary.slice(at + 1)];
}

const database = useDatabase();
let methods = 0;

interface Played {
  readonly result: DispatchResult;
  /** Whether the server read the message up to the final dot. */
  readonly arrived: boolean;
  /** The longest time for which the event loop was busy without a break. */
  readonly blockedMs: number;
}

async function play(fuzzed: Case): Promise<Played> {
  const relay = await startSmtpScript(scriptOf(fuzzed));
  const dispatcher = smtp({
    host: relay.host,
    port: relay.port,
    tls: 'none',
    from: { address: 'noreply@acme.example' },
    sendTimeoutSeconds: 5,
    replyTimeoutSeconds: 5,
  });
  const busy = watchEventLoop();
  try {
    // A method of its own: the evidence of other cases says nothing about this one.
    methods += 1;
    await dispatcher.start?.({ method: `smtp-${methods}`, pool: database.pool, logger: context().logger });
    const file = {
      name: 'a.bin',
      contentType: 'application/octet-stream',
      content: Buffer.alloc(fuzzed.fileBytes, 7),
    };
    const message = delivery({
      method: 'smtp',
      labels: { code: planted },
      secrets: [planted],
      attachments: fuzzed.fileBytes === 0 ? [] : [file],
    });
    const result = await dispatcher.dispatch(message, context());
    return {
      result,
      arrived: relay.messages().length > 0,
      blockedMs: busy.stop(),
    };
  } finally {
    busy.stop();
    await dispatcher.close?.();
    await relay.close();
  }
}

/** Measures the CPU time of this thread between turns: on a loaded machine, elapsed time says little. */
function watchEventLoop(): { readonly stop: () => number } {
  let longest = 0;
  let before = threadCpuMs();
  const measure = () => {
    const now = threadCpuMs();
    longest = Math.max(longest, now - before);
    before = now;
  };
  const timer = setInterval(measure, 2);
  return {
    stop() {
      clearInterval(timer);
      return longest;
    },
  };
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function checkValid(result: DispatchResult): void {
  const stored = JSON.stringify(result);
  expect(stored).not.toContain('ada@example');
  // A reply that breaks off may end within the secret: parts of eight letters and digits are removed.
  const plain = stored.replace(/[^a-z0-9]/gi, '');
  const plantedPlain = planted.replaceAll('-', '');
  for (let at = 0; at + 8 <= plantedPlain.length; at += 1) expect(plain).not.toContain(plantedPlain.slice(at, at + 8));
  expect(result.reply?.text?.length ?? 0).toBeLessThanOrEqual(512);
  if (result.outcome === 'sent') return;
  expect(reasons).toContain(result.reason);
  expect(result.detail.length).toBeLessThanOrEqual(500);
}

/** What the model allows. */
function checkOutcome(fuzzed: Case, { result, arrived }: Played): void {
  const { phase } = fuzzed;
  const stated = codeOf(bytesOf(fuzzed));
  const { outcome } = result;
  if (phase === 'message') return checkEnd(stated, fuzzed, result);
  // The ordinary end: the reply to it is 250. A reply that came before it is not acceptance.
  if (outcome === 'sent') expect(arrived && phase !== 'early').toBe(true);
  if (phase === 'early') return;
  // Whatever begins like 354 asks for the message, which is then sent to its end.
  const asked = phase === 'data' && /^[23]/.test(bytesOf(fuzzed).toString('latin1'));
  if (outcome === 'unknown') expect(arrived || asked).toBe(true);
  if (outcome !== 'failed') return;
  expect(stated).toMatch(/^5/);
  if (phase === 'mail') expect(result.reason).toBe('too_large');
  else expect(['recipient', 'data']).toContain(phase);
}

/** What the reply to the end of the message may mean. */
function checkEnd(stated: string | null, { then }: Case, { outcome }: DispatchResult): void {
  // A reset may take the reply with it.
  const lost = then === 'reset' ? ['unknown'] : [];
  if (stated?.startsWith('2')) expect(['sent', ...lost]).toContain(outcome);
  else if (stated?.startsWith('4')) expect(['retry', ...lost]).toContain(outcome);
  // Some 5yz are about the login or the session: such a message waits.
  else if (stated?.startsWith('5')) expect(['failed', 'retry', ...lost]).toContain(outcome);
  else expect(outcome).toBe('unknown');
}

/** Before RCPT nothing was said about the message: the refusal is not counted as its attempt. */
function checkEarlyRefusal({ phase, ...fuzzed }: Case, { result }: Played): void {
  const stated = codeOf(bytesOf({ phase, ...fuzzed }));
  const before = ['greeting', 'ehlo', 'mail'].includes(phase);
  if (!before || !/^[45]/.test(stated ?? '') || fuzzed.then !== 'keep' || result.outcome !== 'retry') return;
  expect(result.pauseMethod === true || result.countAttempt === false).toBe(true);
}

/** Once a message is under way, what one reply says or leaves out must not stop the others. */
function checkBlame({ phase, ...fuzzed }: Case, { result }: Played): void {
  if (['greeting', 'ehlo'].includes(phase) || result.outcome === 'sent') return;
  expect(result.reason).not.toBe('unreachable');
  const refused = /^[45]/.test(codeOf(bytesOf({ phase, ...fuzzed })) ?? '');
  if (refused && ['recipient', 'data', 'message'].includes(phase)) expect(result.pauseMethod).toBeUndefined();
}

const healthy: Case = {
  phase: 'message',
  lines: [{ code: '250', separator: ' ', text: 'ok' }],
  splits: [],
  cutAt: null,
  then: 'keep',
  fileBytes: 40_000,
};

// The first email compiles what later ones reuse.
beforeAll(async () => {
  expect((await play(healthy)).result.outcome).toBe('sent');
});

test.each([1, 2, 3])(
  'whatever a relay replies, the message has the outcome that the model allows (seed %i)',
  async (seed) => {
    await fc.assert(
      fc.asyncProperty(cases, async (fuzzed) => {
        const seen = await play(fuzzed);
        checkValid(seen.result);
        checkOutcome(fuzzed, seen);
        checkEarlyRefusal(fuzzed, seen);
        checkBlame(fuzzed, seen);
        // A case that blocks does so again; a garbage collection does not.
        let { blockedMs } = seen;
        for (let i = 0; i < 2 && blockedMs > 50; i += 1)
          blockedMs = Math.min(blockedMs, (await play(fuzzed)).blockedMs);
        expect(blockedMs).toBeLessThanOrEqual(50);
      }),
      {
        numRuns: 50,
        seed: Number(process.env['FUZZ_SEED'] ?? 0) + seed,
        endOnFailure: true,
      },
    );
  },
);
