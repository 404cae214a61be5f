/** A bounded map: when it is full, the least recently used entry is removed. */
export class LruCache<V> {
  readonly #entries = new Map<string, V>();
  readonly #limit: number;
  /** The entry that was asked for last: most often it is asked for again, and then nothing has to move. */
  #newest: { readonly key: string; readonly value: V } | null = null;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string, create: () => V): V {
    if (this.#newest?.key === key) return this.#newest.value;
    const value = this.#entries.get(key) ?? create();
    this.#entries.delete(key);
    this.#entries.set(key, value);
    this.#newest = { key, value };
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limit) break;
      this.#entries.delete(oldest);
    }
    return value;
  }

  delete(key: string): void {
    this.#entries.delete(key);
    if (this.#newest?.key === key) this.#newest = null;
  }
}
