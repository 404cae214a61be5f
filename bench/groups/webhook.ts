/** Signed webhooks to a tiny HTTP server in another process. */
import { fillAndDrain, labels, recipientOf, templateName } from '../backlog.ts';
import { type Contender, compared, interleave } from '../measure.ts';
import { share } from '../setting.ts';
import { portOf } from '../sinks.ts';
import type { Group } from './group.ts';

const connections = 50;

export const webhookGroup: Group = {
  rows: ['webhook.raw'],
  async run(setting) {
    const { url: database, pool } = await setting.database();
    const url = `http://127.0.0.1:${await portOf(await setting.start('http-sink', {}))}/hook`;
    const worker = await setting.start('worker', { url: database, webhook: { url, concurrency: connections } });
    const requests = await setting.start('requests', { url, connections, body });
    const contenders: Contender[] = [
      {
        name: 'ours',
        measure: (round) =>
          fillAndDrain(
            { pool, method: 'webhook', workers: [worker] },
            share(setting, round === 'warm-up' ? 5000 : 20_000),
          ),
      },
      {
        name: 'undici',
        measure: (round) => requests.ask<number>('send', share(setting, round === 'warm-up' ? 20_000 : 80_000)),
      },
    ];
    const figures = await interleave(contenders, setting.size.rounds, setting.progress);
    return [compared('webhook.raw', figures, 'ours', 'undici')];
  },
};

/** As long as what ours sends for the same message. */
const body = JSON.stringify({
  type: 'notification.workspace_deleted',
  timestamp: new Date(0).toISOString(),
  data: {
    version: 1,
    messageId: '019a0000-0000-7000-8000-000000000000',
    template: { name: templateName, version: 1, group: 'Workspaces' },
    recipient: recipientOf(1),
    title: `Workspace "${labels.workspace}" was deleted`,
    body: { markdown: 'm'.repeat(300), text: 't'.repeat(280) },
    actions: [{ label: 'View workspaces', url: 'https://acme.example/workspaces' }],
    labels,
    data: null,
    targets: [],
    tenant: null,
    groupKey: null,
    dedupeKey: null,
    expiresAt: null,
  },
});
