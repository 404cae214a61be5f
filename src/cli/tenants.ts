import type { Command } from 'commander';
import {
  listTenants,
  removeTenant,
  setTenant,
  showTenant,
  type Tenant,
  type TenantChange,
} from '../operate/tenants.ts';
import type { Brand } from '../vocabulary.ts';
import { collect, oneOf, positiveInteger } from './arguments.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, command, commandGroup, tableCommand, withPool } from './command.ts';
import { CommandFailed, print, printFields, printJson, printTable, timeText, UsageError } from './output.ts';

interface SetOptions extends CommonOptions {
  readonly name?: string;
  readonly baseUrl?: string;
  readonly logoUrl?: string;
  readonly logoDarkUrl?: string;
  readonly logoWidth?: number;
  readonly logoHeight?: number;
  readonly color?: string;
  readonly footer?: readonly string[];
  readonly sender?: string;
  readonly locale?: string;
  readonly timeZone?: string;
  readonly unset?: readonly Setting[];
}

/** The brand's fields as options, and the other settings. */
const brandOptions = {
  name: 'appName',
  'base-url': 'baseUrl',
  'logo-url': 'logoUrl',
  'logo-dark-url': 'logoDarkUrl',
  'logo-width': 'logoWidth',
  'logo-height': 'logoHeight',
  color: 'color',
  footer: 'footer',
} as const satisfies Record<string, keyof Brand>;
const ownOptions = { sender: 'sender', locale: 'locale', 'time-zone': 'timeZone' } as const;
type Setting = keyof typeof brandOptions | keyof typeof ownOptions;
const settings: readonly string[] = [...Object.keys(brandOptions), ...Object.keys(ownOptions)];

/** `pg-herald tenants` */
export function tenantsCommand(): Command {
  return commandGroup('tenants', 'List, show, set and remove what tenants have of their own: brand, sender, language', [
    listCommand(),
    showCommand(),
    setCommand(),
    removeCommand(),
  ]);
}

function listCommand(): Command {
  return tableCommand('list', 'List tenants, sorted by id, at most 1000', 'tenants list')
    .option('--after <id>', 'continue behind this tenant')
    .action((options: CommonOptions & { after?: string }) =>
      withPool(options, async (pool) => {
        const { after } = options;
        const rows = await listTenants(pool, after === undefined ? {} : { after });
        if (options.json) return printJson(rows);
        printTable(
          ['tenant', 'name', 'colour', 'sender', 'locale', 'time zone', 'set (UTC)'],
          rows.map(({ id, brand, sender, locale, timeZone, updatedAt }) => [
            id,
            ...[brand.appName, brand.color, sender, locale, timeZone].map((value) => value ?? ''),
            timeText(updatedAt),
          ]),
          'none: every message has the brand of its worker',
        );
      }),
    );
}

function showCommand(): Command {
  return command('show', 'Show what a tenant has of its own', 'tenants show acme')
    .argument('<id>', 'the tenant')
    .action((id: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const tenant = await showTenant(pool, id);
        if (tenant === null) throw new CommandFailed(`the tenant "${id}" has nothing of its own`);
        printTenant(tenant, options);
      }),
    );
}

function setCommand(): Command {
  return command('set', 'Set what a tenant has of its own; what is not given stays', {
    example: 'tenants set acme --name Acme --color "#0b5cad" --logo-url https://acme.example/logo.png',
    more: [
      ['tenants set acme --footer "Acme Inc, 1 Main Street" --footer "Questions? support@acme.example"', 'both lines'],
      ['tenants set acme --unset logo-url', "have the worker's again"],
    ],
    notes: ['Workers read it when they deliver, 5 seconds later at the latest, also for messages that wait.'],
    seeAlso: ['templates preview'],
  })
    .argument('<id>', 'the tenant, as the application passes it to enqueue')
    .option('--name <text>', 'name in emails')
    .option('--base-url <url>', 'what {{baseUrl}} is in its messages')
    .option('--logo-url <url>', 'PNG or JPEG, https')
    .option('--logo-dark-url <url>', 'the same for dark mode')
    .option('--logo-width <pixels>', 'width of the logo, 8 to 400', positiveInteger)
    .option('--logo-height <pixels>', 'height of the logo, 8 to 200; default 36', positiveInteger)
    .option('--color <#rrggbb>', 'colour of buttons and links')
    .option('--footer <line>', 'line below its emails; repeatable, 5 at most, replaces those before', collect)
    .option('--sender <name>', 'SMTP sender for templates that name none')
    .option('--locale <tag>', 'language of recipients without one, such as de-AT')
    .option('--time-zone <name>', 'time zone of recipients without one, such as Europe/Vienna')
    .option('--unset <setting>', `remove a setting; repeatable: ${settings.join(', ')}`, unset)
    .action((id: string, options: SetOptions) => {
      const change = changeOf(options);
      return withPool(options, async (pool) => {
        const tenant = await setTenant(pool, id, change);
        await recordCommand(pool, { action: 'tenants set', subject: id, detail: { settings: namesOf(change) } });
        printTenant(tenant, options);
      });
    });
}

function removeCommand(): Command {
  return command('remove', 'Remove what a tenant has of its own; its messages stay', 'tenants remove acme')
    .argument('<id>', 'the tenant')
    .action((id: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        if (!(await removeTenant(pool, id))) throw new CommandFailed(`the tenant "${id}" has nothing of its own`);
        await recordCommand(pool, { action: 'tenants remove', subject: id });
        if (options.json) return printJson({ id, removed: true });
        print("removed: its messages have the worker's brand");
      }),
    );
}

function unset(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, oneOf('setting', settings)(text)];
}

/** @throws {UsageError} if nothing is given, or one setting twice. */
function changeOf(options: SetOptions): TenantChange {
  const { name: appName, sender, locale, timeZone, unset: removed = [] } = options;
  const { baseUrl, logoUrl, logoDarkUrl, logoWidth, logoHeight, color, footer } = options;
  const given = { appName, baseUrl, logoUrl, logoDarkUrl, logoWidth, logoHeight, color, footer };
  const brand = merged(definedOnly(given), removed, brandOptions);
  const own = merged(definedOnly({ sender, locale, timeZone }), removed, ownOptions);
  if (Object.keys(brand).length + Object.keys(own).length === 0)
    throw new UsageError('nothing to set: give a setting such as --name or --color (use --help for usage)');
  return { ...own, ...(Object.keys(brand).length > 0 && { brand }) };
}

/** Adds null for each setting that is to be removed. */
function merged(
  given: Readonly<Record<string, unknown>>,
  removed: readonly string[],
  names: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const entries = removed.flatMap((option) => (Object.hasOwn(names, option) ? [[option, names[option] ?? '']] : []));
  for (const [option = '', field = ''] of entries)
    if (Object.hasOwn(given, field)) throw new UsageError(`--unset ${option}: it is also given`);
  return { ...given, ...Object.fromEntries(entries.map(([, field]) => [field, null])) };
}

function definedOnly(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function namesOf({ brand = {}, ...own }: TenantChange): string[] {
  return [...Object.keys(brand), ...Object.keys(own)].sort();
}

function printTenant(tenant: Tenant, options: CommonOptions): void {
  if (options.json) return printJson(tenant);
  const { id, brand, sender, locale, timeZone, updatedAt } = tenant;
  const { appName: name = null, footer = [], ...rest } = brand;
  printFields({
    ...{ tenant: id, name, ...rest, footer: footer.length === 0 ? null : footer.join(' / ') },
    ...{ sender, locale, timeZone, set: updatedAt },
  });
}
