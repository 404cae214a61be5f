/** What a setting must be, in words that do not repeat what it is: a setting may be a secret, and valibot quotes what it got. */
import type * as v from 'valibot';

/** Schemas give their regular expressions and checks words of their own. */
export function requirementOf(issue: v.BaseIssue<unknown>): string {
  if (issue.type === 'regex' || issue.type === 'check') return issue.message;
  return `must be ${issue.expected ?? (issue.kind === 'schema' ? 'something else' : 'valid')}`;
}
