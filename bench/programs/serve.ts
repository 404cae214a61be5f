/** The other end of `programs.ts`: answers questions until the parent hangs up, then closes. */

export interface Served {
  /** By question. Each is asked with whatever the parent sends along. */
  readonly answers: Readonly<Record<string, (input: never) => unknown>>;
  readonly close: () => Promise<void>;
}

/** @param start gets what the parent gave this program, and makes what answers. */
export function serve<Input>(start: (input: Input) => Promise<Served>): void {
  const started = start(JSON.parse(process.argv[2] ?? '{}') as Input);
  process.on('message', (message: { id: number; what: string; input: never }) => {
    const { id, what, input } = message;
    started
      .then(({ answers }) => (what === 'start' ? null : answers[what]?.(input)))
      .then((answer) => process.send?.({ id, answer }))
      .catch((error: unknown) => process.send?.({ id, error: error instanceof Error ? error.stack : String(error) }));
  });
  process.once('disconnect', () => {
    started
      .then(({ close }) => close())
      .catch((error: unknown) => console.error(error))
      .finally(() => process.exit());
  });
}
