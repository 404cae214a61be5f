/**
 * Notices that a relay which could not be reached can be reached again. Probes come minutes apart after a long outage,
 * and one that began before its end may hang; a bare TCP connection every few seconds costs next to nothing.
 */
import { connect } from 'node:net';
import type { SmtpSettings } from './smtp-settings.ts';

/** Knocks at one relay. */
export interface Knocker {
  /** Begins to knock, unless it does already. */
  begin(): void;
  end(): void;
}

/** From one knock to the next, and how long one may take: the system repeats a lost packet after 1 and 3 s. */
const everyMs = 4000;
const answerWithinMs = 3500;

/**
 * @param onReachable called once when a knock is answered after one that was not. A relay that answers the first one is
 * reachable, and at fault in some other way: it is left alone.
 */
export function createKnocker(
  { host, port, proxy }: Pick<SmtpSettings, 'host' | 'port' | 'proxy'>,
  onReachable: () => void,
): Knocker {
  let timer: NodeJS.Timeout | undefined;
  let knocking = false;

  async function knock(before: boolean | null): Promise<void> {
    const answered = await isReachable(host, port);
    if (!knocking) return;
    if (!answered) timer = setTimeout(() => void knock(false), everyMs - answerWithinMs).unref();
    else {
      knocking = false;
      if (before === false) onReachable();
    }
  }

  return {
    begin() {
      // A proxy is reachable whatever is behind it.
      if (knocking || proxy !== undefined) return;
      knocking = true;
      void knock(null);
    },
    end() {
      knocking = false;
      clearTimeout(timer);
    },
  };
}

/** Takes as long as a knock may, unless it is answered: a closed port must not be knocked at without a break. */
function isReachable(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(false);
    }, answerWithinMs).unref();
    socket.unref();
    socket.on('error', () => undefined);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(true);
    });
  });
}
