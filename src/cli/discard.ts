import type { Command } from 'commander';
import { discardMessages } from '../operate/message-actions.ts';
import { actionHandler, selectingCommand } from './selection.ts';

/** `pg-herald discard` */
export function discardCommand(): Command {
  return selectingCommand('discard', 'Cancel messages that are held, without sending them', {
    example: 'discard --where reason=restored',
    seeAlso: ['hold', 'release'],
  }).action(actionHandler({ verb: 'discard', done: 'discarded', status: 'held', act: discardMessages }));
}
