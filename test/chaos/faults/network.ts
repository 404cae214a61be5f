/** What happens to connections between the machines. */
import { inFlight } from '../stage.ts';
import { pick } from '../random.ts';
import { type Fault, wait } from './fault.ts';

export const cutDatabase: Fault = {
  name: 'connections to the database reset',
  weight: 2,
  touched: 'database',
  async inject(stage, random) {
    stage.proxies.database.cut(0.2 + random() * 0.8, random);
    return { inFlight: await inFlight(stage) };
  },
};

export const slowDatabase: Fault = {
  name: 'every packet to and from the database late',
  weight: 2,
  touched: 'database',
  async inject(stage, random) {
    const { database } = stage.proxies;
    const lastsMs = 2000;
    database.delay(50 + random() * 250);
    stage.later(lastsMs, () => database.delay(0));
    return { lastsMs };
  },
};

/** The database's end is gone after ten seconds, as by its keep-alive; ours never hears of it. */
export const halfOpenDatabase: Fault = {
  name: 'connections to the database half-open',
  weight: 1,
  touched: 'database',
  async inject(stage, random) {
    const caught = await inFlight(stage);
    stage.proxies.database.halfOpen(0.2 + random() * 0.4, random, 10_000);
    return { inFlight: caught, lastsMs: 10_000 };
  },
};

export const databaseAway: Fault = {
  name: 'the database unreachable for seconds',
  weight: 1,
  touched: 'database',
  async inject(stage, random) {
    const { database } = stage.proxies;
    database.away(true);
    await wait(2000 + random() * 4000);
    database.away(false);
    return { inFlight: await inFlight(stage) };
  },
};

/** The receivers accept what is in flight, and the answer is lost on its way. */
export const dropAnswers: Fault = {
  name: 'receivers accept, and drop before they answer',
  weight: 2,
  touched: 'receiver',
  async inject(stage, random) {
    await stage.receivers.behave('late');
    await wait(400);
    const caught = await inFlight(stage);
    const proxy = pick([stage.proxies.smtp, stage.proxies.webhook], random);
    proxy.cut(1, random);
    await stage.receivers.behave('well');
    return { inFlight: caught };
  },
};

export const halfOpenReceivers: Fault = {
  name: 'connections to receivers half-open',
  weight: 1,
  touched: 'receiver',
  async inject(stage, random) {
    const caught = await inFlight(stage);
    const proxy = pick([stage.proxies.smtp, stage.proxies.webhook], random);
    proxy.halfOpen(0.5, random, 10_000);
    return { inFlight: caught, lastsMs: 10_000 };
  },
};
