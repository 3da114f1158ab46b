// Names, reasons, actions, descriptions and developers that attack: all of them are shown as text, and none of it runs.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { PHONE, fits, go, hasNoComplaint, launch, picture, signedIn } from './support/browser.mjs';
import { Home } from './support/home.mjs';

const SCRIPT = '<script>alert(1)</script>';
const IMAGE = '<img src=x onerror=alert(2)>';
const ANSI = '\u{1b}[2J\u{1b}[31mred';
const BIDI = '\u{202e}gpj.exe\u{2066}';
const LONG = 'A'.repeat(120);

/** What each attack is shown as. */
const SHOWN = [SCRIPT, IMAGE, String.raw`\u{1b}[2J\u{1b}[31mred`, String.raw`\u{202e}gpj.exe\u{2066}`];

const toml = (text) => JSON.stringify(text);

const EVIL = { key: 'evil', name: 'Eve', email: 'eve@example.org' };

/** Gives the signature's document a name that nobody signs: in one without a statement it is nobody's word. */
function rename(plugin, name) {
  const document = `${plugin}.sig`;
  const { statement, statement_signature: signature, ...fields } = JSON.parse(readFileSync(document, 'utf8'));
  assert.ok(statement && signature, 'there was a statement');
  writeFileSync(document, JSON.stringify({ ...fields, developer: { ...fields.developer, name } }));
}

const MANIFEST = `name = "evil"
version = "1.0.0"
description = ${toml(`${SCRIPT} ${IMAGE} ${ANSI} ${BIDI} ${LONG}`)}
author = ${toml(`${IMAGE}${BIDI}`)}
license = ${toml(SCRIPT)}
[[actions]]
name = "count"
description = ${toml(`${SCRIPT} ${IMAGE} ${ANSI}${BIDI}`)}
[[actions]]
name = "reply"
[[capabilities]]
name = "Filesystem"
reason = ${toml(`${SCRIPT} ${IMAGE} ${ANSI} ${BIDI} ${LONG}`)}
[[capabilities]]
name = "Network"
scope = "example.org"
reason = ${toml(BIDI)}
[[secrets]]
name = "token"
reason = ${toml(`${SCRIPT} ${IMAGE} ${ANSI} ${BIDI} ${LONG}`)}
hosts = ["example.org"]
[[settings]]
name = "mode"
type = "choice"
choices = ["major", ${toml(`${SCRIPT}${BIDI}`)}]
description = ${toml(`${SCRIPT} ${IMAGE} ${ANSI} ${BIDI} ${LONG}`)}
[[settings]]
name = "greeting"
type = "text"
default = ${toml(`Hello${BIDI}`)}
`;

const home = new Home();
let browser;
let page;

before(async () => {
  home.publisher(EVIL, { trusted: false });
  const evil = home.module('evil', { manifest: MANIFEST, by: EVIL });
  rename(evil, `Eve ${SCRIPT}`);
  // A plugin without a manifest is known by the name of its file.
  const nameless = home.module(`${IMAGE}${BIDI}`, { example: 'legacy' });
  home.config(`
    [plugins.nameless]
    path = ${toml(nameless)}
    [wasm]
    require_signature = false
    allow_self_signed = true
    [plugins.evil]
    path = "${evil}"
  `);
  await home.start();
  browser = await launch();
  page = await signedIn(browser, home, { viewport: PHONE });
});

after(async () => {
  await browser?.close();
  await home.end();
});

/** No markup came out of what a plugin says, and nothing in it ran. */
async function isText(page, what) {
  const found = await page.evaluate(() => document.querySelectorAll('img, script:not([src="/app.js"]), iframe, object, embed, [onerror]').length);
  assert.equal(found, 0, what);
  const raw = await page.evaluate(() => /[\u001b\u202e\u2066\u200b]/u.test(document.documentElement.outerHTML));
  assert.equal(raw, false, `${what}: a character that acts is in the page`);
  await fits(page, what);
}

const shows = async (where, texts) => {
  const text = await where.innerText();
  for (const one of texts) assert.ok(text.includes(one), `${one} in ${text}`);
};

test('in the list', async () => {
  await page.getByText('needs your approval').waitFor();
  await isText(page, 'list');
  await shows(page.locator('.waiting'), SHOWN);
  await shows(page.locator('.card', { hasText: 'nameless' }), [IMAGE]);
  await shows(page.locator('.card', { hasText: 'Eve' }), ['Eve <script>alert(1)</script>']);
  await picture(page, 'hostile-phone-light');
});

test('in what is asked', async () => {
  await page.getByRole('button', { name: 'Review Filesystem of evil' }).click();
  await shows(page.getByRole('dialog'), SHOWN);
  await isText(page, 'dialog');
  await page.keyboard.press('Escape');
});

test('on the plugin’s own page, and in its reply', async () => {
  await go(page, '#/plugins/evil', 'evil');
  await page.getByRole('heading', { name: 'What it may do' }).waitFor();
  await isText(page, 'plugin');
  await shows(page.locator('main'), SHOWN);
  // What is in a field is what will be kept, so it stays as it is; beside it stands what is not seen of it.
  assert.equal(await page.getByLabel('greeting').inputValue(), `Hello${BIDI}`);
  await shows(page.locator('.field', { hasText: 'greeting' }), [`Hello${SHOWN[3]}`]);
  await page.getByLabel('Action', { exact: true }).selectOption('reply');
  await page.getByLabel('Parameters, as JSON').fill('{"bytes": 2000}');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.locator('.result').waitFor();
  await isText(page, 'reply');
});

test('in names that no manifest may have, should the daemon ever let one through', async () => {
  const attack = `${SCRIPT} ${IMAGE} ${ANSI} ${BIDI}`;
  await page.route('**/api/plugins/evil', async (route) => {
    const response = await route.fetch();
    const json = await response.json();
    const plugin = json.response['plugin-show'];
    Object.assign(plugin, { name: attack, version: attack, why: attack, hint: attack, trust: attack, bound_to: attack, digest: attack });
    plugin.publisher = { name: attack, email: attack, public_key: attack, fingerprint: attack, words: attack };
    plugin.actions = [{ name: attack, description: attack }];
    plugin.requested.forEach((one) => Object.assign(one, { capability: attack, scope: attack, risk: attack, decision: attack, granted: attack }));
    plugin.safety.terms.push({ points: -1, why: attack });
    await route.fulfill({ response, json });
  });
  await page.locator('.terms').getByText('alert(1)').waitFor();
  await isText(page, 'names');
  for (const part of ['.plugin-head', '.requests >> nth=0', '.actions', '.terms', '.facts >> nth=-1']) await shows(page.locator(part), SHOWN);
  await page.unroute('**/api/plugins/evil');
});

test('before it is installed', async () => {
  const file = home.module('again', { manifest: MANIFEST, by: EVIL });
  await go(page, '#/install', 'Install');
  await page.getByLabel('Plugin (.wasm)').setInputFiles(file);
  await page.getByLabel('Signature (.sig)').setInputFiles(`${file}.sig`);
  await page.getByRole('button', { name: 'Look at it' }).click();
  await page.locator('.preview').waitFor();
  await shows(page.locator('.preview'), SHOWN);
  for (const heading of ['Secrets that it would use and never get', 'Its settings']) {
    await shows(page.getByRole('heading', { name: heading }).locator('xpath=following-sibling::*[1]'), SHOWN);
  }
  await isText(page, 'preview');
});

test('in the audit log and where no plugin is', async () => {
  await go(page, '#/activity/audit', 'Audit log');
  await page.locator('.audit li').first().waitFor();
  await isText(page, 'audit log');
  await page.evaluate((name) => {
    location.hash = `#/plugins/${encodeURIComponent(name)}`;
  }, `${IMAGE}${BIDI}`);
  await page.getByRole('alert').waitFor();
  await isText(page, 'no plugin');
});

test('the browser complained about nothing', () => hasNoComplaint(page));
