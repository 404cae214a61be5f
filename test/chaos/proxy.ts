/**
 * A TCP proxy that breaks connections on command, as networks do: resets, delays, half-open connections, and a peer that is
 * away. It stands between workers or enqueuers and the database, and between workers and receivers.
 */
import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { listenLocally } from '../support/recorder.ts';
import type { Random } from './random.ts';

export interface Proxy {
  readonly port: number;
  /** From now on new connections go to this port. */
  redirect(port: number): void;
  /** Resets this share of the open connections; answers how many. */
  cut(share: number, random: Random): number;
  /**
   * Makes this share of the open connections half-open: the far end is closed after `farEndMs`, the near end hears nothing any
   * more, not even of the close. New connections work. Answers how many.
   */
  halfOpen(share: number, random: Random, farEndMs: number): number;
  /** Holds back every piece of data for so long, in both directions; 0 ends it. */
  delay(ms: number): void;
  /** While true, new connections are refused, and open ones are reset. */
  away(isAway: boolean): void;
  /** How many tried to connect, ever, and how many of them did not get through. */
  readonly attempts: () => { readonly all: number; readonly failed: number };
  close(): Promise<void>;
}

interface Link {
  readonly near: Socket;
  readonly far: Socket;
  silent: boolean;
}

export async function startProxy(targetPort: number): Promise<Proxy> {
  const links = new Set<Link>();
  const attempts = { all: 0, failed: 0 };
  let target = targetPort;
  let delayMs = 0;
  let isAway = false;

  const server = createServer((near) => {
    attempts.all += 1;
    if (isAway) {
      attempts.failed += 1;
      near.resetAndDestroy();
      return;
    }
    const far = connect(target, '127.0.0.1').once('connect', () => far.off('error', turnAway));
    const turnAway = () => {
      attempts.failed += 1;
    };
    far.once('error', turnAway);
    join(near, far);
  });
  const { port, close } = await listenLocally(server);

  /** A stream that passes data on late, or never. */
  const gate = (link: Link) =>
    new Transform({
      transform(chunk, _encoding, done) {
        if (link.silent) return;
        if (delayMs === 0) done(null, chunk);
        else setTimeout(() => done(null, chunk), delayMs);
      },
    });

  function join(near: Socket, far: Socket): void {
    const link: Link = { near, far, silent: false };
    links.add(link);
    const endBoth = () => {
      if (link.silent) return;
      links.delete(link);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.setNoDelay(true).on('error', endBoth).once('close', endBoth);
    near.pipe(gate(link)).pipe(far);
    far.pipe(gate(link)).pipe(near);
  }

  const some = (share: number, random: Random) => [...links].filter((link) => !link.silent && random() < share);
  const reset = (chosen: readonly Link[]) => {
    for (const { near, far } of chosen) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    return chosen.length;
  };

  return {
    port,
    redirect(to) {
      target = to;
    },
    cut: (share, random) => reset(some(share, random)),
    halfOpen(share, random, farEndMs) {
      const chosen = some(share, random);
      for (const link of chosen) {
        link.silent = true;
        setTimeout(() => link.far.destroy(), farEndMs).unref();
      }
      return chosen.length;
    },
    delay(ms) {
      delayMs = ms;
    },
    away(now) {
      isAway = now;
      if (now) reset([...links].filter((link) => !link.silent));
    },
    attempts: () => ({ ...attempts }),
    async close() {
      for (const { far } of links) far.destroy();
      await close();
    },
  };
}
