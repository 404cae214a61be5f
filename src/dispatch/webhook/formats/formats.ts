/** All formats by name. */
import { discordFormat } from './discord.ts';
import type { Format, FormatName } from './format.ts';
import { ntfyFormat } from './ntfy.ts';
import { pagerDutyFormat } from './pagerduty.ts';
import { slackFormat } from './slack.ts';
import { standardFormat } from './standard.ts';
import { teamsFormat } from './teams.ts';

export const formats: Readonly<Record<FormatName, Format>> = {
  standard: standardFormat,
  slack: slackFormat,
  teams: teamsFormat,
  discord: discordFormat,
  pagerduty: pagerDutyFormat,
  ntfy: ntfyFormat,
};
