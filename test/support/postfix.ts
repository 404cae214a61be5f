/** A private Postfix instance on a free port: a judge that shares no code with nodemailer. Needs root and the Debian package. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connects, freePort } from './daemons.ts';
import { until } from './wait.ts';

export interface Postfix {
  readonly port: number;
  /** Of its settings, for its programs. */
  readonly folder: string;
  /** Raw emails in the one mailbox of all recipients, oldest first. */
  mails(): string[];
  /** What it logged. */
  log(): string;
  stop(): void;
}

export interface PostfixOptions {
  /** Answers to RCPT TO by address, for example `{ 'full@example.com': '452 4.2.2 mailbox full' }`. */
  readonly recipients?: Readonly<Record<string, string>>;
  readonly settings?: Readonly<Record<string, string>>;
  /** Further lines of master.cf. */
  readonly services?: string;
}

/** Why it cannot run here, or null. */
export function postfixMissing(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  return existsSync('/usr/sbin/postfix') ? null : 'needs the Debian package postfix';
}

const services = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
showq unix n - n - - showq
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

export async function startPostfix({
  recipients = {},
  settings = {},
  services: more = '',
}: PostfixOptions = {}): Promise<Postfix> {
  const folder = mkdtempSync(join(tmpdir(), 'herald-postfix-'));
  chmodSync(folder, 0o755);
  const port = await freePort();
  const [spool, data, mail] = ['spool', 'data', 'mail'].map((name) => join(folder, name)) as [string, string, string];
  for (const path of [spool, data, mail]) mkdirSync(path);
  const { uid, gid } = ownerOf('postfix');
  chownSync(data, uid, gid);
  chownSync(mail, 65_534, 65_534);
  const rules = Object.entries(recipients).map(([address, answer]) => `{${address} = ${answer}}`);
  const main: Record<string, string> = {
    compatibility_level: '3.6',
    queue_directory: spool,
    data_directory: data,
    maillog_file_prefixes: folder,
    maillog_file: join(folder, 'log'),
    myhostname: 'mx.example.com',
    mydestination: '',
    inet_interfaces: '127.0.0.1',
    mynetworks: '127.0.0.0/8',
    alias_maps: '',
    virtual_mailbox_domains: 'example.com',
    virtual_mailbox_base: mail,
    virtual_mailbox_maps: 'static:box/',
    virtual_uid_maps: 'static:65534',
    virtual_gid_maps: 'static:65534',
    virtual_minimum_uid: '1',
    smtpd_recipient_restrictions: `${rules.length > 0 ? `check_recipient_access inline:{${rules.join(', ')}}, ` : ''}permit_mynetworks, reject`,
    ...settings,
  };
  writeFileSync(
    join(folder, 'main.cf'),
    Object.entries(main)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join(''),
  );
  writeFileSync(join(folder, 'master.cf'), `127.0.0.1:${port} inet n - n - - smtpd\n${services}${more}`);
  execFileSync('/usr/sbin/postfix', ['-c', folder, 'start'], { stdio: 'pipe' });
  await until(() => connects(port), { what: 'Postfix to listen' });
  return {
    port,
    folder,
    mails: () => {
      const box = join(mail, 'box', 'new');
      return existsSync(box)
        ? readdirSync(box)
            .toSorted()
            .map((file) => readFileSync(join(box, file), 'utf8'))
        : [];
    },
    log: () => readFileSync(join(folder, 'log'), 'utf8'),
    stop: () => {
      execFileSync('/usr/sbin/postfix', ['-c', folder, 'stop'], { stdio: 'pipe' });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function ownerOf(user: string): { uid: number; gid: number } {
  const [, , uid, gid] = (
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((line) => line.startsWith(`${user}:`)) ?? ''
  ).split(':');
  return { uid: Number(uid), gid: Number(gid) };
}
