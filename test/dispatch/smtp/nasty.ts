/** Hostile text, and what an email's head may hold. */
import fc from 'fast-check';

/** Text that breaks emails: line ends of every kind, headers, quotes, encoded words, directions, halves of pairs, long runs. */
export const nasty = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 300 }) },
  {
    weight: 4,
    arbitrary: fc
      .array(
        fc.constantFrom(
          '\r\n',
          '\n',
          '\r',
          '\u0000',
          '\u2028',
          '\u0085',
          '\t',
          '"',
          '\\',
          '<',
          '>',
          '@',
          ',',
          ';',
          ':',
          '=?utf-8?Q?=0D=0A?=',
          'Bcc: evil@example.com',
          'X-Injected: 1',
          '\r\n\r\n<script>',
          '.',
          '\r\n.\r\n',
          'é',
          '🎈',
          '\u202e',
          '\ud800',
          'a'.repeat(998),
          ' '.repeat(80),
          '{{labels.what}}',
          '](javascript:alert(1))',
        ),
        { maxLength: 12 },
      )
      .map((parts) => parts.join('')),
  },
);

/** A line of a head, unfolded. */
export const known =
  /^(From|To|Subject|Message-ID|Date|Auto-Submitted|Content-Language|X-Auto-Response-Suppress|List-ID|List-Unsubscribe|List-Unsubscribe-Post|Feedback-ID|In-Reply-To|References|MIME-Version|Content-Type|Content-Transfer-Encoding|Reply-To): /;

/** Of each header as often as it is there. */
export const namesOf = (lines: readonly string[]) =>
  lines.map((line) => line.split(':')[0] ?? '').toSorted((a, b) => a.localeCompare(b));
