/** `node test/support/postgres/run.ts`: a throw-away PostgreSQL until Ctrl-C; its first line says where it is, as JSON. */
import { startPostgres, throwawaySettings } from './server.ts';

const { stop, ...server } = await startPostgres({ settings: throwawaySettings });
console.log(JSON.stringify(server));
const heartbeat = setInterval(() => undefined, 60_000);
process.once('SIGINT', () => {
  clearInterval(heartbeat);
  stop().catch((error: unknown) => console.error(error));
});
