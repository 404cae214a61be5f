/** One result of `pg-herald doctor`. */
export interface Finding {
  /** What was examined, in one word. */
  readonly check: string;
  readonly level: 'ok' | 'info' | 'warning' | 'problem';
  readonly text: string;
  /** What to do; null if nothing is wrong. */
  readonly remedy: string | null;
}

/** Nothing is wrong. */
export function ok(check: string, text: string): Finding {
  return { check, level: 'ok', text, remedy: null };
}

/** Neither good nor bad: it was not examined, or is only worth knowing. */
export function info(check: string, text: string): Finding {
  return { check, level: 'info', text, remedy: null };
}

/** Something may be wrong, or will be. */
export function warning(check: string, text: string, remedy: string): Finding {
  return { check, level: 'warning', text, remedy };
}

/** Messages are not delivered because of this. */
export function problem(check: string, text: string, remedy: string): Finding {
  return { check, level: 'problem', text, remedy };
}

/** `1 message`, `2 messages`. */
export function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
