/** Hears when any inbox changed: one session of the pool listens while there is somebody to tell. */
import type { Pool, PoolClient } from 'pg';

/** The channel that the SQL functions notify, with an empty payload and once per transaction. */
const channel = 'herald_inbox';
/** Wait before the next try to listen, in milliseconds. Polling goes on meanwhile. */
const retryMs = 5000;

/** A session that listens. */
export interface WakeUps {
  /** Stops listening and returns the connection. */
  stop(): void;
}

/**
 * Starts to listen, and again whenever the session ends. `onWake` is called for every notification, and when a session
 * begins, because what came before it was not heard.
 */
export function listenForChanges(
  pool: Pool,
  { onWake, onError }: { readonly onWake: () => void; readonly onError: (error: unknown) => void },
): WakeUps {
  let stopped = false;
  let end: (() => void) | null = null;
  let timer: NodeJS.Timeout | null = null;

  const again = () => {
    end = null;
    if (!stopped) timer = setTimeout(() => void listen(), retryMs).unref();
  };

  async function listen(): Promise<void> {
    let client: PoolClient;
    try {
      client = await pool.connect();
    } catch (error) {
      onError(error);
      return again();
    }
    let over = false;
    const finish = (error?: unknown) => {
      if (over) return;
      over = true;
      client.removeAllListeners('notification');
      // A session that has listened does not go back to the pool: others would hear its notifications.
      client.release(true);
      if (error !== undefined) onError(error);
      again();
    };
    client.on('error', finish);
    client.on('end', () => finish());
    client.on('notification', onWake);
    end = () => finish();
    if (stopped) return finish();
    await client.query(`LISTEN ${channel}`).then(onWake, finish);
  }

  void listen();
  return {
    stop() {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
      end?.();
    },
  };
}
