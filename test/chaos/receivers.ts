/** Starts the receivers' process, tells it how to behave, and starts it again after it was killed. */
import { type Program, startProgram } from '../support/processes.ts';
import { type Acceptance, readJournal } from './journal.ts';
import type { Mood } from './programs/receivers.ts';

interface Ports {
  readonly smtp: number;
  readonly webhook: number;
  readonly control: number;
}

export interface Receivers {
  readonly ports: () => Ports;
  behave(mood: Mood): Promise<void>;
  /** Messages that the present process accepted. */
  accepted(): Promise<number>;
  /** Kills the process; `start` begins another one, on other ports. */
  crash(): Promise<void>;
  start(): Promise<void>;
  /** Everything that was ever accepted. */
  readonly journal: () => Acceptance[];
  close(): Promise<void>;
}

export async function startReceivers(file: string): Promise<Receivers> {
  let program: Program;
  let ports: Ports;
  const start = async () => {
    program = startProgram(new URL('programs/receivers.ts', import.meta.url), { args: [file] });
    const line = await program.line(/^ready /, { timeoutMs: 60_000 });
    ports = JSON.parse(line.slice('ready '.length)) as Ports;
  };
  await start();
  return {
    ports: () => ports,
    async behave(mood) {
      await fetch(`http://127.0.0.1:${ports.control}/mood`, { method: 'POST', body: JSON.stringify({ mood }) });
    },
    async accepted() {
      const response = await fetch(`http://127.0.0.1:${ports.control}/`);
      return ((await response.json()) as { accepted: number }).accepted;
    },
    async crash() {
      await program.kill('SIGKILL');
    },
    start,
    journal: () => readJournal<Acceptance>(file),
    async close() {
      await program.kill('SIGKILL');
    },
  };
}
