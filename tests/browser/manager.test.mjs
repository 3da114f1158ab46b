// What can be done with plugins on the page: install, approve, run, revoke, start again, disable, remove; with real
// plugins in a real daemon.

import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { test } from 'node:test';

import { go, hasNoComplaint, picture } from './support/browser.mjs';
import { ADA, GRACE, until } from './support/home.mjs';
import { scene } from './support/scene.mjs';

/** A plugin that may be called for ever; its own name is not the user's name for it. */
const WRITER = `name = "field-recorder"
version = "1.0.0"
description = "Writes down what is played"
[[actions]]
name = "write"
description = "Writes a file"
[[actions]]
name = "read"
[[actions]]
name = "count"
description = "Counts its calls"
[[capabilities]]
name = "Filesystem"
scope = "read-write;bytes=1MiB"
reason = "keeps what you played"
`;

let page;

const { home, dialog, toast } = scene((home) => {
  home.publisher(ADA, { trusted: true });
  home.publisher(GRACE, { trusted: false });
  const recorder = home.module('recorder', { manifest: WRITER, by: ADA });
  const glitch = home.module('glitch', { manifest: 'name = "glitch"\nversion = "0.1.0"\n[[actions]]\nname = "panic"\n[[actions]]\nname = "count"\n', by: ADA });
  home.config(`
    [plugins.recorder]
    path = "${recorder}"
    [plugins.glitch]
    path = "${glitch}"
    [[inputs]]
    name = "ticks"
    type = "interval"
    every = "100ms"
    [[mappings]]
    trigger = { input = "ticks" }
    plugin = "recorder"
    action = "write"
    parameters = { path = "/take", text = "x" }
    [[mappings]]
    trigger = { input = "ticks" }
    plugin = "glitch"
    action = "panic"
  `);
}, (opened) => {
  page = opened;
});

const take = home.at('data', 'plugin-data', 'field-recorder', 'take');

/** Whether the plugin writes its file anew when it is taken away. */
const writes = (expected) => until(`it ${expected ? 'writes' : 'does not write'}`, async () => {
  rmSync(take, { force: true });
  await new Promise((resolve) => setTimeout(resolve, 400));
  return existsSync(take) === expected;
});

test('what waits is at the top, and is granted with its consequence told', async () => {
  await page.getByRole('heading', { name: '1 request needs your approval' }).waitFor();
  await page.getByRole('button', { name: 'Review Filesystem of recorder' }).click();
  await dialog().getByText('It can keep files in one directory of its own').waitFor();
  await dialog().getByText('keeps what you played').waitFor();
  await dialog().getByText('Trusted: Ada Example').waitFor();
  await dialog().getByRole('button', { name: 'Grant', exact: true }).click();
  await toast('may now keep files').waitFor();
  await page.getByText('needs your approval').waitFor({ state: 'detached' });
  await writes(true);
  assert.match(home.plugin('recorder').grants[0].grant, /^Filesystem/);
});

test('an action is run by hand, and its reply is shown', async () => {
  await go(page, '#/plugins/recorder', 'recorder');
  await page.getByLabel('Action', { exact: true }).selectOption('write');
  await page.getByLabel('Parameters, as JSON').fill('{"path": "/by-hand", "text": "la"}');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.locator('.result').getByText('ok', { exact: true }).waitFor();
  await page.getByLabel('Action', { exact: true }).selectOption('read');
  await page.getByLabel('Parameters, as JSON').fill('{"path": "/by-hand"}');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByLabel('Reply').getByText('la').waitFor();
  await page.getByLabel('Parameters, as JSON').fill('{"path"');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('alert').getByText('The parameters are not JSON.').waitFor();
});

test('a capability is taken away while the plugin runs', async () => {
  await page.getByRole('button', { name: 'Revoke Filesystem' }).click();
  await dialog().getByRole('button', { name: 'Revoke', exact: true }).click();
  await toast('was taken away').waitFor();
  await page.locator('.requests').getByText('Not granted').waitFor();
  await writes(false);
});

test('less is granted than was asked for, and only until a date', async () => {
  await page.getByRole('button', { name: 'Grant Filesystem' }).click();
  await dialog().getByLabel('Less than that').check();
  await dialog().getByLabel('Scope').fill('read-only;bytes=what');
  await dialog().getByRole('button', { name: 'Grant', exact: true }).click();
  await dialog().getByRole('alert').waitFor();
  await dialog().getByLabel('Scope').fill('read-write;bytes=64KiB');
  await dialog().getByLabel('Until a date').check();
  await dialog().getByLabel('Last day, in UTC').fill('2099-12-31');
  await dialog().getByRole('button', { name: 'Grant', exact: true }).click();
  await toast('may now keep files').waitFor();
  await page.locator('.requests').getByText('until 31 Dec 2099').waitFor();
  const [grant] = home.plugin('recorder').grants;
  assert.match(grant.grant, /64KiB|65536/);
  assert.match(grant.until, /^2099-12-31T23:59:59/);
});

test('a plugin that keeps failing is shown as quarantined, with why, and was started again', async () => {
  await go(page, '#/plugins/glitch', 'glitch');
  await page.locator('.plugin-head').getByText('Quarantined').waitFor();
  await page.getByText('It failed too often and is called no more').waitFor();
  await picture(page, 'quarantined-desktop-light');
  await page.getByRole('button', { name: 'Resume' }).click();
  await toast('was started again').waitFor();
  await page.locator('.plugin-head').getByText('Quarantined').waitFor({ state: 'detached' });
});

test('a plugin is disabled and enabled', async () => {
  await page.getByRole('button', { name: 'Disable' }).click();
  await page.locator('.plugin-head').getByText('Disabled').waitFor();
  assert.equal(home.plugin('glitch').state, 'disabled');
  await page.getByRole('button', { name: 'Enable' }).click();
  await page.locator('.plugin-head').getByText('Disabled').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Disable' }).click();
  await page.locator('.plugin-head').getByText('Disabled').waitFor();
});

test('a plugin is installed after everything about it was shown, and nothing of it ran', async () => {
  const file = home.module('media', { example: 'media', by: ADA });
  await go(page, '#/install', 'Install');
  await page.getByLabel('Plugin (.wasm)').setInputFiles(file);
  await page.getByLabel('Signature (.sig)').setInputFiles(`${file}.sig`);
  assert.equal(await page.getByLabel('Your name for it').inputValue(), 'media');
  await page.getByLabel('Your name for it').fill('desk');
  await page.getByRole('button', { name: 'Look at it' }).click();
  const preview = page.locator('.preview');
  await preview.getByText('Would be loaded').waitFor();
  await preview.getByText('Trusted: Ada Example').waitFor();
  await preview.getByText('high risk').waitFor();
  await preview.getByText('presses the keys of your media players and sets the volume').waitFor();
  await picture(page, 'install-desktop-light');
  assert.throws(() => home.plugin('desk'), 'it is not installed yet');
  await page.getByRole('button', { name: 'Install as desk' }).click();
  await page.getByRole('heading', { level: 1, name: 'desk' }).waitFor();
  await page.locator('.plugin-head').getByText('Running').waitFor();
  assert.equal(home.plugin('desk').name, 'media');
});

test('high risk is granted only with the name of the plugin typed', async () => {
  await page.getByRole('button', { name: 'Grant SystemControl' }).click();
  await dialog().getByText('This is a high risk.').waitFor();
  await dialog().getByLabel('To grant it, type the plugin’s name').fill('desk');
  await dialog().getByRole('button', { name: 'Grant', exact: true }).click();
  await dialog().getByText('The name that you typed is not the plugin’s own name.').waitFor();
  assert.equal(home.plugin('desk').grants.length, 0);
  await dialog().getByLabel('To grant it, type the plugin’s name').fill('media');
  await dialog().getByLabel('This session').check();
  await dialog().getByRole('button', { name: 'Grant', exact: true }).click();
  await toast('may now control this computer').waitFor();
  await page.locator('.requests').getByText('Granted', { exact: true }).first().waitFor();
});

test('another version is compared with the installed one', async () => {
  const file = home.module('desk', { manifest: 'name = "media"\nversion = "9.0.0"\n[[capabilities]]\nname = "Subprocess"\nscope = "/bin/echo"\nreason = "echoes"\n', by: ADA });
  await go(page, '#/install', 'Install');
  await page.getByLabel('Plugin (.wasm)').setInputFiles(file);
  await page.getByLabel('Signature (.sig)').setInputFiles(`${file}.sig`);
  await page.getByText('You have a plugin of this name').waitFor();
  await page.getByRole('button', { name: 'Look at it' }).click();
  await page.locator('.changes').getByText('Subprocess').waitFor();
  await page.getByRole('button', { name: 'Choose another' }).click();
});

test('a plugin of a key that follows a trusted one is let in with its rotations', async () => {
  const next = { ...ADA, key: 'ada-next' };
  home.publisher(next, { trusted: false });
  home.run('conductor-sign', 'rotate', ADA.key, next.key);
  const file = home.module('follower', { example: 'media', by: next });
  await go(page, '#/install', 'Install');
  await page.getByLabel('Plugin (.wasm)').setInputFiles(file);
  await page.getByLabel('Signature (.sig)').setInputFiles(`${file}.sig`);
  await page.getByRole('button', { name: 'Look at it' }).click();
  await page.locator('.preview').getByText('Would be refused').waitFor();
  await page.getByRole('button', { name: 'Choose another' }).click();
  await page.getByLabel('Plugin (.wasm)').setInputFiles(file);
  await page.getByLabel('Signature (.sig)').setInputFiles(`${file}.sig`);
  await page.getByLabel('Rotations, if its key has changed (.json)').setInputFiles(home.at(`${next.key}.rotation.json`));
  await page.getByRole('button', { name: 'Look at it' }).click();
  await page.locator('.preview').getByText('Would be loaded').waitFor();
  await page.getByRole('button', { name: 'Choose another' }).click();
});

test('an unsigned plugin is refused before it is installed, and the daemon says why', async () => {
  const file = home.module('stray', {});
  await page.getByLabel('Plugin (.wasm)').setInputFiles(file);
  await page.getByRole('button', { name: 'Look at it' }).click();
  await page.locator('.preview').getByText('Would be refused').waitFor();
  await page.locator('.preview').getByText('Unsigned', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Install as stray' }).click();
  await page.locator('.preview').getByRole('alert').waitFor();
  assert.throws(() => home.plugin('stray'));
  await page.getByRole('button', { name: 'Choose another' }).click();
});

test('a plugin is removed, with what it wrote where that is asked for', async () => {
  await go(page, '#/plugins/recorder', 'recorder');
  await page.getByRole('button', { name: 'Remove…' }).click();
  await dialog().getByRole('button', { name: 'Remove', exact: true }).click();
  await dialog().getByRole('alert').waitFor();
  await page.keyboard.press('Escape');
  await dialog().waitFor({ state: 'detached' });
  await go(page, '#/plugins/desk', 'desk');
  await page.getByRole('button', { name: 'Remove…' }).click();
  await dialog().getByLabel('Delete what it wrote and its secrets as well').check();
  await dialog().getByRole('button', { name: 'Remove', exact: true }).click();
  await toast('was removed').waitFor();
  await page.getByRole('heading', { level: 1, name: 'Plugins' }).waitFor();
  assert.throws(() => home.plugin('desk'));
});

test('search and filters find plugins', async () => {
  await page.getByRole('searchbox').fill('RECORD');
  await page.getByText('Showing 1 of 2 plugins').waitFor({ state: 'attached' });
  await page.getByRole('searchbox').fill('nothing like it');
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.getByRole('button', { name: /^Disabled/ }).click();
  await page.getByRole('link', { name: 'glitch' }).waitFor();
  assert.equal(await page.locator('.card').count(), 1);
  await page.getByRole('button', { name: /^All/ }).click();
});

test('calls are shown as they end, and what was done is in the audit log', async () => {
  await go(page, '#/activity', 'Activity');
  await page.locator('.calls').getByText('write').first().waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Go on' }).waitFor();
  await page.getByRole('link', { name: 'Audit log' }).click();
  await page.getByRole('heading', { level: 1, name: 'Audit log' }).waitFor();
  await page.locator('.audit').getByText('capability revoked').first().waitFor();
  await page.locator('.audit').getByText('plugin quarantined').first().waitFor();
});

test('the browser complained about nothing', () => hasNoComplaint(page));
