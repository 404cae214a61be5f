/** An application that dies between its enqueue and its commit. */
import type { Fault } from './fault.ts';

export const killEnqueuer: Fault = {
  name: 'SIGKILL an enqueuer inside a transaction',
  weight: 3,
  touched: 'enqueuer',
  async inject(stage, random) {
    const victim = stage.enqueuers.pick(random);
    if (victim === undefined) return null;
    const { program } = victim;
    process.kill(program.pid, 'SIGUSR2');
    // While the database is away it does not get that far; it is killed all the same.
    await program.line(/inside a transaction/, { timeoutMs: 3000 }).catch(() => undefined);
    await program.kill('SIGKILL');
    stage.enqueuers.replace(victim);
    return {};
  },
};
