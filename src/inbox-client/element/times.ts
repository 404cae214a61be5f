/** When something happened, as a reader would say it. */

const units = [
  ['minute', 60],
  ['hour', 3600],
  ['day', 86_400],
] as const;

/** Formats times in one language. */
export interface Times {
  /** `5 minutes ago`; a date after a week. */
  readonly ago: (at: Date, now?: Date) => string;
  /** Date and time in full. */
  readonly exact: (at: Date) => string;
}

/** The formats of a language, in the reader's time zone. */
export function createTimes(language: string): Times {
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  const date = new Intl.DateTimeFormat(language, { dateStyle: 'medium' });
  const exact = new Intl.DateTimeFormat(language, { dateStyle: 'full', timeStyle: 'short' });
  return {
    ago: (at, now = new Date()) => {
      const seconds = Math.max(0, (now.getTime() - at.getTime()) / 1000);
      if (seconds < 60) return relative.format(0, 'second');
      if (seconds > 7 * 86_400) return date.format(at);
      const [unit, length] = units.findLast(([, size]) => seconds >= size) ?? units[0];
      return relative.format(-Math.floor(seconds / length), unit);
    },
    exact: (at) => exact.format(at),
  };
}
