/** Loads the list, one request at a time, and misses no event that arrives meanwhile. */
import type { Change, Page } from './items.ts';
import type { Model } from './model.ts';
import type { Requests } from './requests.ts';

const firstLimit = 20;
const mostPerPage = 50;
const mostAgain = 200;

/** Loads pages into a model. */
export class ListLoader {
  readonly #model: Model;
  readonly #requests: Requests;
  #last: Promise<unknown> = Promise.resolve();
  /** What arrived while a page was on its way; the page may be older. */
  #early: [Change, string][] | null = null;

  constructor(model: Model, requests: Requests) {
    this.#model = model;
    this.#requests = requests;
  }

  /** Takes an event of the stream; what is about another person has no effect. */
  change(change: Change, token: string): void {
    this.#early?.push([change, token]);
    this.#apply(change, token);
  }

  #apply(change: Change, token: string): void {
    if (change.reader === this.#model.reader) this.#model.change(change, token);
  }

  /** Loads what is shown again, at most its newest 200 items. */
  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      const wanted = Math.min(this.#model.state.items.length, mostAgain);
      const limit = Math.max(firstLimit, Math.min(wanted, mostPerPage));
      const pages: [Page, ...Page[]] = [await this.#requests.page({ limit })];
      let { next } = pages[0];
      for (let loaded = limit; next !== null && loaded < wanted; loaded += limit) {
        const page = await this.#requests.page({ cursor: next, limit });
        pages.push(page);
        ({ next } = page);
      }
      this.#model.replace(pages);
    });
  }

  /** Loads the next page. */
  loadMore(): Promise<void> {
    return this.#inTurn(async () => {
      const { next: cursor } = this.#model;
      if (cursor !== null) this.#model.append(await this.#requests.page({ cursor, limit: firstLimit }));
    });
  }

  #inTurn(load: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(async () => {
      const early: [Change, string][] = (this.#early = []);
      try {
        await load();
      } finally {
        this.#early = null;
      }
      for (const [change, token] of early) this.#apply(change, token);
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
