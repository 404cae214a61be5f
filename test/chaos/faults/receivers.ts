/** Receivers that are slow, hang, or die. */
import { inFlight } from '../stage.ts';
import { type Fault, wait } from './fault.ts';

export const slowReceivers: Fault = {
  name: 'slow receivers',
  weight: 2,
  touched: 'receiver',
  async inject(stage) {
    const lastsMs = 2000;
    await stage.receivers.behave('slow');
    stage.later(lastsMs, () => stage.receivers.behave('well'));
    return { lastsMs };
  },
};

export const hangingReceivers: Fault = {
  name: 'hanging receivers',
  weight: 1,
  touched: 'receiver',
  async inject(stage) {
    await stage.receivers.behave('hanging');
    await wait(500);
    await stage.receivers.behave('well');
    // The workers wait five seconds for an answer.
    return { inFlight: await inFlight(stage), lastsMs: 6000 };
  },
};

export const crashReceivers: Fault = {
  name: 'SIGKILL the receivers',
  weight: 1,
  touched: 'receiver',
  async inject(stage) {
    const { receivers, proxies } = stage;
    await receivers.crash();
    const caught = await inFlight(stage);
    await receivers.start();
    proxies.smtp.redirect(receivers.ports().smtp);
    proxies.webhook.redirect(receivers.ports().webhook);
    return { inFlight: caught };
  },
};
