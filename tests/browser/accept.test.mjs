// Another plugin behind a name than the one that was there: what is different is shown, and what is accepted is what was
// shown.

import assert from 'node:assert/strict';
import { copyFileSync, existsSync } from 'node:fs';
import { test } from 'node:test';

import { go, hasNoComplaint, isAccessible, picture } from './support/browser.mjs';
import { ADA, GRACE } from './support/home.mjs';
import { scene } from './support/scene.mjs';

const manifest = (name, version) => `name = "${name}"\nversion = "${version}"\n[[capabilities]]\nname = "Filesystem"\n`;

let page;
let notes;

const { home, dialog } = scene((home) => {
  home.publisher(ADA, { trusted: true });
  home.publisher(GRACE, { trusted: true });
  notes = home.module('notes', { manifest: manifest('notes', '1.0'), by: ADA });
  home.config(`
    [plugins.notes]
    path = "${notes}"
    granted_capabilities = ["Filesystem"]
    [[inputs]]
    name = "clock"
    type = "interval"
    every = "1h"
  `);
}, (opened) => {
  page = opened;
});

/** Puts another plugin in the place of the one that is there, and has the daemon look. */
function replace(name, version) {
  const other = home.module(`${name}-${version}`, { manifest: manifest(name, version), by: GRACE });
  for (const ending of ['', '.sig']) copyFileSync(`${other}${ending}`, `${notes}${ending}`);
  home.ctl('reload');
}

test('another plugin waits in the list, with a way to look at it', async () => {
  await page.locator('.card').getByText('Running').waitFor();
  replace('thief', '6.6<b>');
  await page.locator('.card').getByText('Needs your approval', { exact: true }).waitFor();
  assert.ok(!existsSync(home.at('data', 'plugin-data', 'thief')), 'it inherits nothing');
  await page.getByRole('button', { name: 'Accept notes' }).click();
  await dialog().getByText('another name: thief in place of notes').waitFor();
  await dialog().getByText('another publisher: signed by').waitFor();
  await dialog().getByText('version 6.6<b> in place of 1.0').waitFor();
  await dialog().getByText('what the configuration grants: Filesystem').waitFor();
  await isAccessible(page);
  await picture(page, 'accept-desktop-light');
});

test('what has changed under the open dialog is not accepted', async () => {
  replace('other', '7.0');
  await dialog().getByRole('button', { name: 'Accept', exact: true }).click();
  await dialog().getByRole('alert').getByText('is no longer what was shown').waitFor();
  assert.equal(home.plugin('notes').state, 'waiting');
  await dialog().getByRole('button', { name: 'Not now' }).click();
  await dialog().waitFor({ state: 'detached' });
});

test('what was shown is accepted, on the plugin’s own page too', async () => {
  await go(page, '#/plugins/notes', 'notes');
  await page.getByText('It is another plugin than before under this name, and was not loaded').waitFor();
  await page.getByRole('button', { name: 'Accept…' }).click();
  await dialog().getByText('another name: other in place of notes').waitFor();
  await dialog().getByRole('button', { name: 'Accept', exact: true }).click();
  await page.locator('#toast').getByText('from now on').waitFor();
  await page.locator('.plugin-head').getByText('Running').waitFor();
  const plugin = home.plugin('notes');
  assert.equal(plugin.name, 'other');
  assert.match(plugin.capabilities.join('\n'), /Filesystem is granted/);
});

test('a revocation holds though the plugin waits by the time it is confirmed', async () => {
  await page.getByRole('button', { name: 'Revoke Filesystem' }).click();
  await dialog().getByText('It stays so, also for later versions').waitFor();
  replace('third', '8.0');
  await dialog().getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.locator('#toast').getByText('was taken away from').waitFor();
  const { state, change } = home.plugin('notes');
  assert.deepEqual([state, change.denied], ['waiting', ['Filesystem']]);
});

test('a preview says that the plugin would wait, and so does the page when it is installed', async () => {
  home.ctl('plugin', 'install', home.module('band', { manifest: manifest('band', '1.0'), by: ADA }));
  const file = home.module('band', { manifest: manifest('marching', '2.0'), by: GRACE });
  await go(page, '#/install', 'Install');
  await page.getByLabel('Plugin (.wasm)').setInputFiles(file);
  await page.getByLabel('Signature (.sig)').setInputFiles(`${file}.sig`);
  await page.getByRole('button', { name: 'Look at it' }).click();
  const preview = page.locator('.preview');
  await preview.getByText('Would need your approval').waitFor();
  await preview.getByText('another name: marching in place of band').waitFor();
  await isAccessible(page);
  await page.getByRole('button', { name: 'Replace band' }).click();
  await page.locator('#toast').getByText('is in its place, and needs your approval').waitFor();
  assert.equal(home.plugin('band').state, 'waiting');
});

test('the browser complained about nothing', () => hasNoComplaint(page));
