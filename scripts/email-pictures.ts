/**
 * The pictures of docs/templates.md: a shipped template in the colours of a brand, on a desktop and a phone, light and
 * dark, and a text that runs from right to left.
 */
import type { Browser, Page } from 'playwright-core';
import { fileURLToPath } from 'node:url';
import { inLanguage, renderExample } from '../src/templates/check.ts';
import { readTemplates, shippedTemplatesFolder } from '../src/templates/files.ts';
import type { Brand } from '../src/vocabulary.ts';

const languagesFolder = fileURLToPath(new URL('../test/templates/languages', import.meta.url));

const brand = {
  appName: 'Northwind',
  baseUrl: 'https://northwind.example',
  logoUrl: 'https://northwind.example/logo.png',
  logoDarkUrl: 'https://northwind.example/logo-dark.png',
  logoWidth: 148,
  logoHeight: 32,
  color: '#0f766e',
  footer: ['Northwind GmbH, Ringstrasse 1, 1010 Vienna', 'Questions? Write to support@northwind.example.'],
} as const satisfies Brand;

const devices = {
  desktop: { viewport: { width: 680, height: 100 }, deviceScaleFactor: 1 },
  phone: { viewport: { width: 375, height: 100 }, deviceScaleFactor: 1 },
} as const;

/** Saves the picture of each page under a name. */
export async function takeEmailPictures(
  browser: Browser,
  save: (page: Page, name: string, fullPage: boolean) => Promise<void>,
): Promise<void> {
  const html = await emailOf('weekly-build-report', shippedTemplatesFolder);
  const arabic = await emailOf('files-expired', languagesFolder, 'ar');
  const logos = { light: await drawLogo(browser, '#134e4a'), dark: await drawLogo(browser, '#ccfbf1') };
  for (const [device, options] of Object.entries(devices)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await browser.newContext({ ...options, colorScheme });
      await context.route(/^https:/, (route) =>
        route.fulfill({ contentType: 'image/png', body: logos[/dark/.test(route.request().url()) ? 'dark' : 'light'] }),
      );
      const page = await context.newPage();
      await page.setContent(html, { waitUntil: 'networkidle' });
      await save(page, `layout-${device}-${colorScheme}.png`, true);
      await page.setContent(arabic, { waitUntil: 'networkidle' });
      if (device === 'phone') await save(page, `layout-arabic-${colorScheme}.png`, true);
      await context.close();
    }
  }
}

/** The example of a template, in the language if one is given. */
async function emailOf(name: string, folder: string, language?: string): Promise<string> {
  const { sources } = await readTemplates(folder);
  const source = sources.find((one) => one.name === name);
  const translation = source?.translations.find((one) => one.language === language);
  if (source === undefined || (language !== undefined && translation === undefined))
    throw new Error(`the template ${name} ${language ?? ''} is not there`);
  return renderExample(translation === undefined ? source : inLanguage(source, translation), brand).email.html;
}

/** A logo with a transparent background. */
async function drawLogo(browser: Browser, ink: string): Promise<Buffer> {
  const context = await browser.newContext({ viewport: { width: 148, height: 32 }, deviceScaleFactor: 2 });
  const page = await context.newPage();
  const mark = `<path d="M2 28 14 4l8 14 4-6 4 16z" fill="${ink}"/>`;
  const name = `<text x="38" y="23" font-family="sans-serif" font-weight="700" font-size="19" fill="${ink}">Northwind</text>`;
  await page.setContent(
    `<body style="margin:0"><svg width="148" height="32" xmlns="http://www.w3.org/2000/svg">${mark}${name}</svg>`,
  );
  const image = await page.screenshot({ omitBackground: true });
  await context.close();
  return image;
}
