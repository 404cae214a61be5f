/** Every format by the name that users configure. A new format is added here. */
import { discordFormat } from './discord.ts';
import type { Format } from './format.ts';
import { ntfyFormat } from './ntfy.ts';
import { pagerDutyFormat } from './pagerduty.ts';
import { slackFormat } from './slack.ts';
import { standardFormat } from './standard.ts';
import { teamsFormat } from './teams.ts';

/** The names in the order of the docs. */
export const formatNames = ['standard', 'slack', 'teams', 'discord', 'pagerduty', 'ntfy'] as const;

/** How messages to an endpoint are written: `standard` for programs, the others for chat and alerting services. */
export type FormatName = (typeof formatNames)[number];

/** The formats by name. */
export const formats: Readonly<Record<FormatName, Format>> = {
  standard: standardFormat,
  slack: slackFormat,
  teams: teamsFormat,
  discord: discordFormat,
  pagerduty: pagerDutyFormat,
  ntfy: ntfyFormat,
};
