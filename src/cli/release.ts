import type { Command } from 'commander';
import { releaseMessages } from '../operate/message-actions.ts';
import { actionHandler, selectingCommand } from './selection.ts';

/** `pg-herald release` */
export function releaseCommand(): Command {
  return selectingCommand('release', 'Deliver messages that are held', {
    example: 'release --where status=held',
    more: [['release --where template=weekly-build-report --yes', 'those of one template']],
    seeAlso: ['hold', 'discard'],
  }).action(actionHandler({ verb: 'release', done: 'released', status: 'held', act: releaseMessages }));
}
