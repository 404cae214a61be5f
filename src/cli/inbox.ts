import type { Command } from 'commander';
import type { Item } from '../inbox/item.ts';
import { createItems } from '../inbox/items.ts';
import type { ItemStatus } from '../inbox/requests.ts';
import { oneOf, positiveInteger } from './arguments.ts';
import { type CommonOptions, SuggestingOption, tableCommand, withPool } from './command.ts';
import { readBrand } from './config.ts';
import { color, print, printJson, printTable, timeText, UsageError } from './output.ts';

interface InboxCommandOptions extends CommonOptions {
  readonly tenant?: string;
  readonly status: ItemStatus;
  readonly template?: string;
  readonly group?: string;
  readonly target?: string;
  readonly limit: number;
}

const statuses = ['inbox', 'unread', 'read', 'archived'] as const satisfies readonly ItemStatus[];
const maxItems = 50;

/** `pg-herald inbox` */
export function inboxCommand(): Command {
  return tableCommand('inbox', 'Show the inbox of a recipient as they see it', {
    example: 'inbox user-7',
    more: [['inbox user-7 --status unread --target workspace-42', 'what they have not read about one thing']],
    seeAlso: ['why', 'messages list'],
  })
    .argument('<recipient>', "the recipient's id")
    .option('--tenant <id>', 'only the items of this tenant and of none')
    .addOption(
      new SuggestingOption('--status <status>', `${statuses.join(', ')}; inbox is all but the archived ones`, statuses)
        .argParser(oneOf('status', statuses))
        .default('inbox'),
    )
    .option('--template <name>', 'only this template')
    .option('--group <name>', 'only this group of templates')
    .option('--target <id>', 'only what is about this')
    .option('--limit <n>', 'items, 50 at most', positiveInteger, 20)
    .action((recipientId: string, options: InboxCommandOptions) => showInbox(recipientId, options));
}

async function showInbox(recipientId: string, options: InboxCommandOptions): Promise<void> {
  const { tenant, status, template, group, target, limit } = options;
  if (limit > maxItems) throw new UsageError(`--limit: ${limit} is too many: expected 1 to ${maxItems}`);
  const items = createItems({ brand: readBrand() });
  await withPool(options, async (pool) => {
    const page = await items.list(pool, { recipientId, tenant, status, template, group, target, limit });
    if (options.json) return printJson(page);
    printTable(
      ['since (UTC)', 'state', 'title', 'template', 'message'],
      page.items.map((item) => [timeText(new Date(item.createdAt)), stateOf(item), item.title, item.template, item.id]),
      'no items',
      { neverCut: ['message'], dropFirst: ['template'] },
    );
    print(`${page.unread} unread, ${page.unseen} unseen`);
  });
}

function stateOf({ seenAt, readAt, archivedAt }: Item): string {
  if (archivedAt !== null) return color('dim', 'archived');
  if (readAt !== null) return color('dim', 'read');
  return seenAt === null ? color('cyan', 'unseen') : color('cyan', 'seen');
}
