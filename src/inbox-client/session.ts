/** What a store does while somebody can see the page: it catches up, and follows the stream or the tab that has it. */
import type { Change } from './items.ts';
import type { ListLoader } from './list-loader.ts';
import type { Model } from './model.ts';
import { type Alarm, backOffMs } from './pauses.ts';
import { InboxError, type Requests } from './requests.ts';
import { followStream, type StreamEvent } from './stream.ts';
import type { Tabs } from './tabs.ts';

/** What a session works with. */
export interface SessionServices {
  readonly model: Model;
  readonly loader: ListLoader;
  readonly requests: Requests;
  readonly tabs: Tabs;
  readonly alarm: Alarm;
  /** Called if the list turns out to be another person's than the one that the session began with. */
  readonly onOtherReader: () => void;
}

/** A stream that lived this long was a good one: the next failure is the first. */
const goodMs = 5000;

/** From when the page becomes visible until it has been hidden, or the person has signed out. */
export class Session {
  readonly #services: SessionServices;
  readonly #ended = new AbortController();
  #isStale = true;
  #leads = false;
  #catchingUp: Promise<void> | undefined;

  constructor(services: SessionServices) {
    this.#services = services;
    void this.#run();
  }

  /** Whether it has ended. */
  get isOver(): boolean {
    return this.#ended.signal.aborted;
  }

  end(): void {
    this.#ended.abort();
    if (this.#services.model.state.isLive) this.#services.model.show({ isLive: false });
  }

  /** Ends the session if the error says that the server refuses this person. */
  check(error: unknown): void {
    if (!(error instanceof InboxError) || !error.isRefusal) return;
    this.end();
    this.#services.model.show({ status: 'signed-out' });
  }

  /** Takes an event of the stream, from the server or from the tab that reads it. */
  take({ name, data }: StreamEvent, token: string): void {
    const { model, loader } = this.#services;
    const change: Change = JSON.parse(data);
    if (name === 'change' && (model.reader === '' || change.reader === model.reader)) {
      // While the list is behind, a later token would call items seen that it never showed.
      loader.change(change, this.#catchingUp === undefined ? token : model.token);
    } else void this.#catchUp();
  }

  /** Tells a tab that has just joined how things are, if this one has the stream. */
  welcome(): void {
    const { model, tabs } = this.#services;
    if (this.#leads) tabs.tell({ kind: 'live', reader: model.reader, isLive: model.state.isLive });
  }

  async #run(): Promise<void> {
    const { model, tabs } = this.#services;
    const { signal } = this.#ended;
    await this.#catchUp();
    tabs.tell({ kind: 'hello', reader: model.reader });
    // The lock is given up when the session ends; waiting for it ends with an error then.
    if (!signal.aborted) await tabs.lead(model.reader, signal, () => this.#keepStream()).catch(() => undefined);
  }

  /** Loads the list until that succeeds. What becomes stale meanwhile is loaded again. */
  #catchUp(): Promise<void> {
    this.#isStale = true;
    this.#catchingUp ??= this.#loadUntilFresh().finally(() => (this.#catchingUp = undefined));
    return this.#catchingUp;
  }

  async #loadUntilFresh(): Promise<void> {
    const { model, loader, onOtherReader } = this.#services;
    for (let failures = 0; this.#isStale && !this.isOver; ) {
      this.#isStale = false;
      const { reader } = model;
      try {
        await loader.refresh();
        failures = 0;
        if (reader !== '' && model.reader !== reader && !this.isOver) onOtherReader();
      } catch (error) {
        this.#isStale = true;
        this.check(error);
        if (!this.isOver && model.state.status === 'loading') model.show({ status: 'failed' });
        await this.#pauseAfter((failures += 1), error);
      }
    }
  }

  async #keepStream(): Promise<void> {
    this.#leads = true;
    for (let failures = 0; !this.isOver; ) {
      const openedAt = Date.now();
      const error = await this.#follow().catch((reason: unknown) => reason);
      this.check(error);
      if (this.isOver) return;
      this.#setLive(false);
      failures = Date.now() - openedAt > goodMs ? 1 : failures + 1;
      await this.#pauseAfter(failures, error);
    }
  }

  #follow(): Promise<void> {
    const { model, requests, tabs } = this.#services;
    return followStream((signal) => requests.stream(model.token, signal), this.#ended.signal, {
      onEvent: (event, token) => {
        const { reader } = model;
        this.take(event, token);
        tabs.tell({ kind: 'event', reader, event, token });
        this.#setLive(true);
      },
      onToken: (token) => {
        if (this.#catchingUp === undefined) model.token = token;
      },
    });
  }

  #setLive(isLive: boolean): void {
    const { model, tabs } = this.#services;
    if (model.state.isLive === isLive) return;
    model.show({ isLive });
    tabs.tell({ kind: 'live', reader: model.reader, isLive });
  }

  #pauseAfter(failures: number, error: unknown): Promise<void> {
    const asked = error instanceof InboxError ? error.retryAfterMs : 0;
    return this.#services.alarm.pause(Math.max(asked, backOffMs(failures)), this.#ended.signal);
  }
}
