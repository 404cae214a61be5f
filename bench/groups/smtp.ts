/** Emails to a sink in another process: over kept connections, beside nodemailer with and without its pool. */
import { fillAndDrain, labels, templateName } from '../backlog.ts';
import { type Contender, compared, interleave } from '../measure.ts';
import type { Metric } from '../rows.ts';
import { type Database, type Setting, share } from '../setting.ts';
import { startSmtpSink, startTlsSink } from '../sinks.ts';
import { certificateFiles, testAuthority } from '../../test/support/certificates.ts';
import type { Group } from './group.ts';

const connections = 10;
const host = { host: '127.0.0.1', maxConnections: connections };

export const smtpGroup: Group = {
  rows: ['smtp.pool', 'smtp.connect-per-message'],
  async run(setting, wanted) {
    const database = await setting.database();
    const { port, name } = await startSmtpSink(setting);
    setting.progress(`to ${name}, ${connections} connections`);
    const contenders = [await herald(setting, database, { port, tls: 'none' })];
    if (wanted.has('smtp.pool')) contenders.push(await mailer(setting, database, { port, pool: true }));
    if (wanted.has('smtp.connect-per-message')) contenders.push(await mailer(setting, database, { port, pool: false }));
    const figures = await interleave(contenders, setting.size.rounds, setting.progress);
    const baselines = { 'smtp.pool': 'pool', 'smtp.connect-per-message': 'connect' } as const;
    return Object.entries(baselines)
      .filter(([row]) => wanted.has(row))
      .map(([row, baseline]) => compared(row, figures, 'ours', baseline));
  },
};

export const smtpTlsGroup: Group = {
  rows: ['smtp.connect-per-message-tls'],
  async run(setting): Promise<Metric[]> {
    const database = await setting.database();
    const port = await startTlsSink(setting);
    const contenders = [
      await herald(setting, database, { port, tls: 'starttls', servername: 'localhost', caFile: certificateFiles.ca }),
      await mailer(setting, database, { port, pool: false, ca: testAuthority }),
    ];
    const figures = await interleave(contenders, setting.size.rounds, setting.progress);
    return [compared('smtp.connect-per-message-tls', figures, 'ours', 'connect')];
  },
};

async function herald(setting: Setting, { url, pool }: Database, options: object): Promise<Contender> {
  const worker = await setting.start('worker', { url, smtp: { ...host, ...options } });
  return {
    name: 'ours',
    measure: (round) =>
      fillAndDrain({ pool, method: 'smtp', workers: [worker] }, share(setting, round === 'warm-up' ? 2000 : 6000)),
  };
}

interface Manner {
  readonly port: number;
  readonly pool: boolean;
  readonly ca?: string;
}

async function mailer(setting: Setting, { pool }: Database, manner: Manner): Promise<Contender> {
  const template = await pool.query(
    'SELECT template AS name, title, body, actions FROM herald.template_version WHERE template = $1',
    [templateName],
  );
  const program = await setting.start('mailer', { ...manner, connections, labels, template: template.rows[0] });
  const full = manner.ca === undefined ? 6000 : 2500;
  return {
    name: manner.pool ? 'pool' : 'connect',
    measure: (round) => program.ask<number>('send', share(setting, round === 'warm-up' ? full / 3 : full)),
  };
}
