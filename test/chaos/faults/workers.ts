/** Workers that die, freeze, are replaced, or have a wrong clock. */
import { existsSync } from 'node:fs';
import { inFlight } from '../stage.ts';
import { pick } from '../random.ts';
import type { Fault } from './fault.ts';

export const killWorker: Fault = {
  name: 'SIGKILL a worker',
  weight: 6,
  touched: 'worker',
  async inject(stage, random) {
    const victim = stage.workers.pick(random);
    if (victim === undefined) return null;
    await victim.program.kill('SIGKILL');
    // No worker changes these rows before the lease has run out.
    const caught = await inFlight(stage, victim.name);
    stage.workers.replace(victim);
    return { inFlight: caught };
  },
};

export const stopWorker: Fault = {
  name: 'SIGSTOP a worker, SIGCONT later',
  weight: 2,
  touched: 'worker',
  async inject(stage, random) {
    const victim = stage.workers.pick(random);
    // Shorter than a lease, or longer: then it wakes up to find that others took over.
    const lastsMs = random() < 0.5 ? 3000 : 25_000;
    if (victim === undefined) return null;
    victim.stopped = true;
    process.kill(victim.program.pid, 'SIGSTOP');
    stage.later(lastsMs, () => {
      victim.stopped = false;
      if (victim.program.running()) process.kill(victim.program.pid, 'SIGCONT');
    });
    return { inFlight: await inFlight(stage, victim.name), lastsMs };
  },
};

export const restartWorker: Fault = {
  name: 'rolling restart of a worker by SIGTERM',
  weight: 2,
  touched: 'worker',
  async inject(stage, random) {
    const leaving = stage.workers.pick(random);
    if (leaving === undefined) return null;
    stage.workers.replace(leaving);
    void leaving.program.kill('SIGTERM');
    return {};
  },
};

const fakeClock = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

/** Where Debian's libfaketime is not installed, there is nothing to hit. */
export const wrongClock: Fault = {
  name: 'a worker whose clock is an hour off',
  weight: 1,
  touched: 'worker',
  async inject(stage, random) {
    const leaving = stage.workers.pick(random);
    const offset = pick(['+1h', '-1h'], random);
    if (leaving === undefined || !existsSync(fakeClock)) return null;
    stage.workers.replace(leaving, { LD_PRELOAD: fakeClock, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' });
    void leaving.program.kill('SIGTERM');
    return {};
  },
};
