// The system's Chromium, and pages in it that note whatever went wrong in them.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

import { PATIENCE } from './home.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const SCREENSHOTS = process.env.SCREENSHOTS;

/** Sizes that people look at the page in. */
export const PHONE = { width: 360, height: 780 };
export const TABLET = { width: 768, height: 1024 };
export const DESKTOP = { width: 1280, height: 860 };

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

/** Starts the Chromium that is in `PATH`; none is ever downloaded. */
export function launch() {
  const executablePath = process.env.PATH.split(delimiter).map((directory) => join(directory, 'chromium')).find((file) => existsSync(file));
  if (!executablePath) throw new Error('there is no chromium in PATH; to install it: cargo xtask setup');
  return chromium.launch({ executablePath, args: FLAGS, timeout: PATIENCE });
}

/**
 * A page in a profile of its own. Whatever the browser complains about is in its `complaints`.
 * @param {import('playwright-core').Browser} browser
 */
export async function open(browser, { viewport = DESKTOP, theme = 'light' } = {}) {
  const context = await browser.newContext({ viewport, colorScheme: theme, reducedMotion: 'reduce', locale: 'en-GB', timezoneId: 'UTC' });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(`error: ${error.stack}`));
  page.on('dialog', (dialog) => {
    page.complaints.push(`a script ran: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !isAnswer(message)) page.complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!/^http:\/\/(127\.0\.0\.1|localhost):/.test(request.url())) page.complaints.push(`asked elsewhere: ${request.url()}`);
  });
  return page;
}

/** The browser's own note that the daemon said no to something, or was not there: the page tells people about both. */
function isAnswer(message) {
  return message.location().url.includes('/api/') && /^Failed to load resource: (the server responded with a status of 4|net::ERR_)/.test(message.text());
}

/** A page that has signed in and shows the plugins. */
export async function signedIn(browser, home, options) {
  const page = await open(browser, options);
  await page.goto(home.address());
  await page.getByText('Connected', { exact: true }).waitFor({ state: 'attached' });
  await page.getByRole('heading', { level: 1, name: 'Plugins' }).waitFor();
  return page;
}

/** Goes to a part of the page, as a link would. */
export async function go(page, hash, heading) {
  await page.evaluate((to) => {
    location.hash = to;
  }, hash);
  await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor();
}

/** The browser complained about nothing. */
export const hasNoComplaint = (page) => assert.deepEqual(page.complaints, []);

/** Holds the page against WCAG 2.2 AA; every violation fails. */
export async function isAccessible(page, what) {
  // Evaluated by the test's own connection, so that the page's policy stays as it is.
  await page.evaluate(AXE);
  const results = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const found = results.violations.map((rule) => `${rule.id}: ${rule.help}: ${rule.nodes.map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`);
  assert.deepEqual(found, [], what);
}

/** Nothing is wider than the window. */
export async function fits(page, what) {
  const wide = await page.evaluate(() => {
    const over = document.documentElement.scrollWidth - innerWidth;
    if (over <= 0) return null;
    const widest = [...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1);
    return `${over} px: ${widest.slice(0, 3).map((one) => one.outerHTML.slice(0, 120)).join(' | ')}`;
  });
  assert.equal(wide, null, what);
}

/** Takes a picture, where pictures are wanted. */
export async function picture(page, name) {
  if (!SCREENSHOTS) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), animations: 'disabled' });
}
