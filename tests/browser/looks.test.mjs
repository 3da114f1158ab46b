// How the page looks, and whether everybody can use it: WCAG 2.2 AA in both themes, 360 px, the keyboard alone. The
// manual's pictures are taken here.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { DESKTOP, PHONE, TABLET, fits, go, hasNoComplaint, isAccessible, launch, picture, signedIn } from './support/browser.mjs';
import { ADA, GRACE, Home, until } from './support/home.mjs';

const OLD = { key: 'old', name: 'Old Laptop', email: 'ada@example.org' };

const DRUMS = `name = "drum-machine"
version = "2.4.0"
description = "Plays along with what it hears"
author = "Ada Example"
license = "MIT"
[[actions]]
name = "count"
description = "Counts in"
[[capabilities]]
name = "Network"
scope = "samples.example.org"
reason = "fetches drum kits"
`;

const GLITCH = 'name = "glitch"\nversion = "0.1.0"\ndescription = "Repeats what it should not"\n[[actions]]\nname = "panic"\n';

const home = new Home();
let browser;

before(async () => {
  home.publisher(ADA, { trusted: true });
  home.publisher(GRACE, { trusted: false });
  const old = home.publisher(OLD, { trusted: true });
  const plugin = (name, file, more = '') => `[plugins.${name}]\npath = "${file}"\n${more}`;
  const tables = [
    plugin('drums', home.module('drums', { manifest: DRUMS, by: ADA })),
    plugin('notes', home.module('notes', { example: 'notes', by: GRACE })),
    plugin('desktop', home.module('desktop', { example: 'media', by: ADA })),
    plugin('glitch', home.module('glitch', { manifest: GLITCH, by: ADA })),
    plugin('webhook', home.module('webhook', { example: 'webhook', by: ADA }), 'enabled = false\n'),
    plugin('obs', home.module('obs', { example: 'obs', by: OLD })),
    plugin('sketch', home.module('sketch', { example: 'chord' })),
  ];
  writeFileSync(home.at('modules', 'broken.wasm'), 'no module');
  tables.push(plugin('broken', home.at('modules', 'broken.wasm')));
  const tick = (name, every, to, action, parameters = '') => `[[inputs]]\nname = "${name}"\ntype = "interval"\nevery = "${every}"\n`
    + `[[mappings]]\ntrigger = { input = "${name}" }\nplugin = "${to}"\naction = "${action}"\n${parameters}`;
  home.config(`[wasm]\nrequire_signature = false\nallow_self_signed = true\nself_signed_max_risk = "high"\n${tables.join('')}
    ${tick('beat', '170ms', 'drums', 'count')}
    ${tick('song', '900ms', 'notes', 'append', 'parameters = { text = "verse" }\n')}
    ${tick('noise', '100ms', 'glitch', 'panic')}`);
  await home.start();
  home.run('conductor-sign', 'trust', 'revoke', old, '--reason', 'the laptop was stolen');
  await until('glitch is quarantined', () => home.plugin('glitch').state === 'quarantined');
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await home.end();
});

/** Every view, with what to wait for in it. */
const VIEWS = [
  ['plugins', '#/plugins', 'Plugins', (page) => page.locator('.card').nth(7).waitFor()],
  ['plugin', '#/plugins/notes', 'notes', (page) => page.locator('.terms').waitFor()],
  ['quarantined', '#/plugins/glitch', 'glitch', (page) => page.locator('.terms').waitFor()],
  ['install', '#/install', 'Install', (page) => page.locator('.drop').waitFor()],
  ['activity', '#/activity', 'Activity', (page) => page.locator('.calls tbody tr').nth(6).waitFor()],
  ['audit', '#/activity/audit', 'Audit log', (page) => page.locator('.audit li').first().waitFor()],
  ['keys', '#/keys', 'Trusted keys', (page) => page.locator('.key').first().waitFor()],
  ['protection', '#/protection', 'Protection', (page) => page.locator('.wall').first().waitFor()],
];

const dialog = (page) => page.getByRole('dialog');
const leave = async (page) => {
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
};

for (const theme of ['light', 'dark']) {
  for (const [size, viewport] of [['phone', PHONE], ['desktop', DESKTOP]]) {
    test(`every view and dialog, ${theme}, ${size}`, async () => {
      const page = await signedIn(browser, home, { theme, viewport });
      const look = async (name) => {
        await picture(page, `${name}-${size}-${theme}`);
        await fits(page, `${name}, ${size}`);
        await isAccessible(page, `${name}, ${size}, ${theme}`);
      };
      for (const [name, hash, heading, there] of VIEWS) {
        await go(page, hash, heading);
        await there(page);
        await look(name);
      }
      await go(page, '#/install', 'Install');
      await page.getByLabel('Plugin (.wasm)').setInputFiles(home.at('modules', 'notes.wasm'));
      await page.getByLabel('Signature (.sig)').setInputFiles(home.at('modules', 'notes.wasm.sig'));
      await page.getByRole('button', { name: 'Look at it' }).click();
      await page.locator('.preview').waitFor();
      await look('preview');
      await go(page, '#/plugins', 'Plugins');
      await page.getByRole('button', { name: 'Review Filesystem of notes' }).click();
      await dialog(page).getByText('It can keep files in one directory of its own').waitFor();
      await look('medium');
      await leave(page);
      await page.getByRole('button', { name: 'Review SystemControl of desktop' }).click();
      await dialog(page).getByText('This is a high risk.').waitFor();
      await look('high');
      await dialog(page).getByRole('button', { name: 'Grant', exact: true }).click();
      await dialog(page).getByRole('alert').waitFor();
      await look('refused');
      await leave(page);
      await go(page, '#/keys', 'Trusted keys');
      await page.getByRole('button', { name: 'Trust a key…' }).click();
      await look('trust');
      await leave(page);
      await page.getByRole('button', { name: 'Revoke the key Ada Example' }).click();
      await look('revoke');
      await leave(page);
      hasNoComplaint(page);
      await page.context().close();
    });
  }
}

test('states of the page itself: being read, and nothing there', async () => {
  const page = await signedIn(browser, home, { viewport: TABLET });
  await fits(page, 'tablet');
  await isAccessible(page, 'tablet');
  await page.route('**/api/plugins', () => {});
  await page.reload();
  await page.locator('.skeleton').first().waitFor();
  await picture(page, 'loading-tablet-light');
  await isAccessible(page, 'being read');
  await page.unroute('**/api/plugins');
  await page.route('**/api/plugins', (route) => route.fulfill({ json: { version: 1, response: { 'plugin-list': { plugins: [] } } } }));
  await page.reload();
  await page.getByRole('heading', { name: 'No plugins yet' }).waitFor();
  await picture(page, 'empty-tablet-light');
  await isAccessible(page, 'empty');
  hasNoComplaint(page);
});

test('the keyboard alone is enough to grant', async () => {
  const page = await signedIn(browser, home);
  const focused = () => page.evaluate(() => {
    const one = document.activeElement;
    return one.getAttribute('aria-label') ?? one.textContent.trim();
  });
  /** Presses Tab until what has the focus is called so; what has it must be seen. */
  const tabTo = async (name) => {
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press('Tab');
      const seen = await page.evaluate(() => {
        const box = document.activeElement.getBoundingClientRect();
        const top = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 12));
        return document.activeElement === document.body || !top || document.activeElement.contains(top) || top.contains(document.activeElement);
      });
      assert.ok(seen, `${await focused()} is covered`);
      if ((await focused()) === name) return;
    }
    assert.fail(`${name} is not reached`);
  };
  await page.getByRole('button', { name: 'Review Filesystem of notes' }).waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await tabTo('To the content');
  await page.keyboard.press('Enter');
  await tabTo('Review Filesystem of notes');
  await page.keyboard.press('Enter');
  await dialog(page).waitFor();
  await tabTo('Grant');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid', 'the focus is seen');
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
  assert.equal(await focused(), 'Review Filesystem of notes', 'the focus is back');
  await page.keyboard.press('Enter');
  await dialog(page).waitFor();
  await tabTo('Grant');
  await page.keyboard.press('Enter');
  await page.locator('#toast').getByText('may now keep files').waitFor();
  await until('it is granted', () => home.plugin('notes').grants.length === 1);
  hasNoComplaint(page);
});

test('nothing is wider than 320 px, as at four times the size on a small screen', async () => {
  const page = await signedIn(browser, home, { viewport: { width: 320, height: 640 } });
  for (const [name, hash, heading, there] of VIEWS) {
    await go(page, hash, heading);
    await there(page);
    await fits(page, name);
  }
  hasNoComplaint(page);
});

test('what can be pressed is large enough', async () => {
  const page = await signedIn(browser, home, { viewport: PHONE });
  for (const [name, hash, heading, there] of VIEWS) {
    await go(page, hash, heading);
    await there(page);
    const small = await page.evaluate(() => [...document.querySelectorAll('button, select, input, a')]
      .filter((one) => !one.closest('p, li p, td, h2') && !one.matches('.skip') && !one.closest('label'))
      .map((one) => [one, one.getBoundingClientRect()])
      .filter(([, box]) => box.width > 0 && (box.width < 24 || box.height < 24))
      .map(([one, box]) => `${one.outerHTML.slice(0, 80)} ${box.width}×${box.height}`));
    assert.deepEqual(small, [], name);
  }
});
