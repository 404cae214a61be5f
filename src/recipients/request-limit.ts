/** Bounds how often one person's links may ask the database, so that a script that repeats a link cannot occupy it. */
import { LruCache } from '../lru.ts';

const windowMs = 60_000;
/** A mailbox provider sends one request, a person a few; a scanner opens each link of an email. */
const maxPerWindow = 60;
/** People that are remembered; the least recently seen one is forgotten first. */
const maxPeople = 10_000;

/** Counts a request of a person. Returns false if there were too many in the last minute. */
export type RequestLimit = (person: string) => boolean;

/** Creates a limit without requests. `now` is the clock, in milliseconds. */
export function createRequestLimit(now: () => number = Date.now): RequestLimit {
  const people = new LruCache<{ requests: number; startedAt: number }>(maxPeople);
  return (person) => {
    const counter = people.get(person, () => ({ requests: 0, startedAt: now() }));
    if (counter.startedAt <= now() - windowMs) Object.assign(counter, { requests: 0, startedAt: now() });
    counter.requests += 1;
    return counter.requests <= maxPerWindow;
  };
}
