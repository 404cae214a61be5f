/** What the tests of enqueue and delivery share: a template in the database and a worker with a scripted dispatcher. */
import type { Pool } from 'pg';
import * as v from 'valibot';
import type { WorkerOptions } from '../../src/delivery/options.ts';
import { createWorker, type Worker } from '../../src/delivery/worker.ts';
import type { Delivery, Dispatcher, DispatchContext, DispatchResult } from '../../src/dispatch/dispatcher.ts';
import type { Logger } from '../../src/vocabulary.ts';
import { syncTemplates } from '../../src/templates/catalog.ts';
import { defineTemplate } from '../../src/templates/define.ts';
import { parseTemplate, type TemplateSource } from '../../src/templates/template-file.ts';
import { isTranslationFile, joinTranslations, parseTranslation } from '../../src/templates/translation-file.ts';

export const greeting = defineTemplate({ name: 'greeting', labels: v.object({ who: v.string() }) });

/** Templates as a folder has them; the key is the file's name without `.md`, the value its text. */
export function templateSources(files: Readonly<Record<string, string>>): TemplateSource[] {
  const sound = <T>({ source, issues }: { source: T | null; issues: readonly unknown[] }): T => {
    if (source === null) throw new Error(JSON.stringify(issues));
    return source;
  };
  const texts = Object.entries(files).map(([name, text]) => [`${name}.md`, text] as const);
  const { sources, issues } = joinTranslations({
    sources: texts.flatMap(([file, text]) => (isTranslationFile(file) ? [] : [sound(parseTemplate(file, text))])),
    translations: texts.flatMap(([file, text]) =>
      isTranslationFile(file) ? [sound(parseTranslation(file, text))] : [],
    ),
    words: new Map(),
  });
  if (issues.length > 0) throw new Error(JSON.stringify(issues));
  return sources;
}

/** Puts templates into the database; the key is the name, the value the file's text. */
export async function putTemplates(pool: Pool, files: Readonly<Record<string, string>>): Promise<void> {
  await syncTemplates(pool, templateSources(files));
}

export const greetingFile = `---
title: Hello {{labels.who}}
group: Greetings
---
Dear **{{labels.who}}**, welcome.
`;

export interface ScriptedDispatcher extends Dispatcher {
  readonly deliveries: Delivery[];
}

/** A dispatcher that keeps what it is given and answers by a function; accepts everything by default. */
export function scriptedDispatcher(
  answer: (delivery: Delivery, context: DispatchContext) => DispatchResult | Promise<DispatchResult> = () => ({
    outcome: 'sent',
  }),
  options: Partial<Dispatcher> = {},
): ScriptedDispatcher {
  const deliveries: Delivery[] = [];
  return {
    concurrency: 20,
    timeoutSeconds: 60,
    retryDelaysSeconds: [0.1, 0.1],
    ...options,
    deliveries,
    async dispatch(delivery, context) {
      deliveries.push(delivery);
      return answer(delivery, context);
    },
  };
}

export const brand = { appName: 'Acme', baseUrl: 'https://acme.example' };

/** A worker that looks often enough for tests. */
export function testWorker(connectionString: string, options: Partial<WorkerOptions>): Worker {
  return createWorker({
    connectionString,
    brand,
    dispatchers: {},
    pollSeconds: 0.1,
    superviseSeconds: 1,
    stopTimeoutSeconds: 10,
    ...options,
  });
}

/** A logger that keeps its lines. */
export function keepingLogger(): Logger & { readonly lines: { level: string; fields: object; message: string }[] } {
  const lines: { level: string; fields: object; message: string }[] = [];
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
