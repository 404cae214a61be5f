/** Processes of one kind, replaced when they are killed, and all accounted for at the end. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Program, startProgram } from '../support/processes.ts';
import type { EnqueuerOptions } from './programs/enqueuer.ts';
import { pick, type Random } from './random.ts';

export interface Member {
  readonly name: string;
  readonly program: Program;
  readonly ready: Promise<unknown>;
  /** Stopped by SIGSTOP: it must not be chosen again, and goes on before the end. */
  stopped: boolean;
}

export interface Crew {
  readonly members: readonly Member[];
  /** One that is ready and goes on; undefined when there is none at the moment. */
  pick(random: Random): Member | undefined;
  /** Starts another one in its place, perhaps with a further environment; the old one is left to the caller. */
  replace(old: Member, environment?: Readonly<Record<string, string>>): Member;
  /** Everything that any member, past or present, wrote to its log. */
  readonly logLines: () => number;
  /** Codes of errors in these logs, with how often. */
  readonly codes: () => Readonly<Record<string, number>>;
  killAll(): Promise<void>;
}

/** Between a failed start and the next one. */
const restartMs = 500;

type Start = (name: string, environment?: Readonly<Record<string, string>>) => Program;

/** Starts them, and resolves when all are ready. Names are the prefix and a number that is never used twice. */
export async function startCrew(size: number, prefix: string, start: Start): Promise<Crew> {
  const everybody: Member[] = [];
  const ready = new Set<Member>();
  let ended = false;
  const hire = (environment?: Readonly<Record<string, string>>): Member => {
    const name = `${prefix}-${everybody.length + 1}`;
    const program = start(name, environment);
    const getsReady = program.line(/ready/, { timeoutMs: 120_000 }).then(
      () => ready.add(member),
      () => restartIfItFailed(member, environment),
    );
    const member: Member = { name, program, ready: getsReady, stopped: false };
    everybody.push(member);
    return member;
  };
  /** As an orchestrator does: a start fails while the database refuses connections. A killed member has no exit code. */
  async function restartIfItFailed(member: Member, environment?: Readonly<Record<string, string>>): Promise<unknown> {
    const { code } = await member.program.exited;
    await pause(restartMs);
    if (code === null || code === 0 || ended || !members.includes(member)) return undefined;
    const successor = hire(environment);
    members[members.indexOf(member)] = successor;
    return successor.ready;
  }
  const members = Array.from({ length: size }, () => hire());
  await Promise.all(members.map((member) => member.ready));
  const log = () => everybody.flatMap(({ program }) => program.stderr().split('\n').slice(0, -1));
  return {
    members,
    pick(random) {
      const able = members.filter((member) => ready.has(member) && !member.stopped && member.program.running());
      return able.length === 0 ? undefined : pick(able, random);
    },
    replace(old, environment) {
      const successor = hire(environment);
      members[members.indexOf(old)] = successor;
      return successor;
    },
    logLines: () => log().length,
    codes() {
      const counts: Record<string, number> = {};
      for (const line of log()) {
        const code = /"code":"([^"]+)"/.exec(line)?.[1];
        if (code !== undefined) counts[code] = (counts[code] ?? 0) + 1;
      }
      return counts;
    },
    async killAll() {
      ended = true;
      await Promise.all(everybody.map(({ program }) => program.kill('SIGKILL')));
    },
  };
}

export function startWorkerProgram(options: object, env: Readonly<Record<string, string>> = {}): Program {
  return startProgram(new URL('../delivery/worker-program.ts', import.meta.url), {
    env: { HERALD_TEST_WORKER: JSON.stringify(options), ...env },
  });
}

export function startEnqueuerProgram(options: EnqueuerOptions): Program {
  return startProgram(new URL('programs/enqueuer.ts', import.meta.url), {
    env: { CHAOS_ENQUEUER: JSON.stringify(options) },
  });
}
