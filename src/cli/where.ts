/** `--where status=failed since=2h`: conditions on messages, and never SQL. */
import type { MessageFilter } from '../operate/message-filter.ts';
import { suggestion } from '../templates/nearest.ts';
import { messageStatuses, reasons } from '../vocabulary.ts';
import { duration } from './arguments.ts';
import { SuggestingOption } from './command.ts';
import { UsageError } from './output.ts';

const filterKeys: ReadonlyMap<string, Exclude<keyof MessageFilter, 'anyStatus'>> = new Map([
  ['status', 'status'],
  ['method', 'method'],
  ['template', 'template'],
  ['recipient', 'recipientId'],
  ['address', 'address'],
  ['target', 'target'],
  ['reason', 'reason'],
  ['dedupe-key', 'dedupeKey'],
]);
const timeKeys = ['since', 'until'];
const keys = [...filterKeys.keys(), ...timeKeys];

/** For help and errors. */
export const conditionsHelp = [
  ...[...filterKeys.keys()].map((key) => `${key}=`),
  'since=2h',
  'until=1h; all must match',
].join(', ');

/** The option, with what shells complete. */
export function whereOption(description = conditionsHelp): SuggestingOption {
  const statuses = messageStatuses.map((status) => `status=${status}`);
  const others = keys.filter((key) => key !== 'status').map((key) => `${key}=`);
  return new SuggestingOption('--where <condition...>', description, [...statuses, ...others]);
}

/** Keys whose values never name a person. */
const impersonalKeys = ['status', 'method', 'template', 'reason', ...timeKeys];

/** The conditions as the audit log keeps them: without the values that may name a person. */
export function recordableConditions(words: readonly string[]): string[] {
  return wordsOf(words).map((word) => {
    const [key = ''] = word.split('=');
    return impersonalKeys.includes(key) ? word : key;
  });
}

function wordsOf(texts: readonly string[]): string[] {
  return texts.flatMap((text) => text.trim().split(/\s+/));
}

/** Parses conditions; durations count back from `now`. */
export function parseWhere(words: readonly string[], now: Date): MessageFilter {
  const filter: Partial<Record<Exclude<keyof MessageFilter, 'anyStatus'>, string | Date>> = {};
  for (const word of wordsOf(words)) {
    const at = word.indexOf('=');
    const [key, value] = [word.slice(0, Math.max(at, 0)), word.slice(at + 1)];
    const field = filterKeys.get(key);
    if (key === 'since' || key === 'until') filter[key] = new Date(now.getTime() - duration(value));
    else if (field === undefined || value === '') throw unknownCondition(word, at < 0 ? word : key);
    else filter[field] = value;
  }
  checkWord('status', filter.status, messageStatuses);
  checkWord('reason', filter.reason, reasons);
  return filter as Omit<MessageFilter, 'anyStatus'>;
}

function unknownCondition(word: string, key: string): UsageError {
  const close = keys.includes(key) ? '' : suggestion(key, keys);
  return new UsageError(`invalid condition "${word}": expected ${conditionsHelp}${close}`);
}

function checkWord(what: string, word: string | Date | undefined, known: readonly string[]): void {
  if (typeof word !== 'string' || known.includes(word)) return;
  throw new UsageError(`unknown ${what} "${word}": expected one of ${known.join(', ')}${suggestion(word, known)}`);
}
