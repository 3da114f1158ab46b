// What is shown is what is decided: a request that changes under an open dialog, two requests of one capability, and an
// upload that somebody else changes while it is looked at; with real plugins in a real daemon.

import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { test } from 'node:test';

import { go, hasNoComplaint } from './support/browser.mjs';
import { ADA } from './support/home.mjs';
import { scene } from './support/scene.mjs';

const request = (capability, scope) => `[[capabilities]]\nname = "${capability}"\nscope = "${scope}"\nreason = "it is music"\n`;
const keeper = (bytes) => `name = "keeper"\nversion = "1.0.0"\n${request('Filesystem', `read-write;bytes=${bytes}`)}`;

let page;

const { home, dialog, toast } = scene((home) => {
  home.publisher(ADA, { trusted: true });
  const kept = home.module('kept', { manifest: keeper('1MiB'), by: ADA });
  const band = home.module('band', {
    manifest: `name = "band"\nversion = "1.0.0"\n[[capabilities]]\nname = "Midi"\nreason = "plays"\n${request('Midi', 'drums;sysex=yes')}`,
    by: ADA,
  });
  home.config(`[plugins.kept]\npath = "${kept}"\n[plugins.band]\npath = "${band}"\n`);
}, (opened) => {
  page = opened;
});

const grant = () => dialog().getByRole('button', { name: 'Grant', exact: true });

test('a request that changes under an open dialog is not granted, and is shown as it is now', async () => {
  await go(page, '#/plugins/kept', 'kept');
  await page.getByRole('button', { name: 'Grant Filesystem' }).click();
  await dialog().getByText('1 MiB', { exact: false }).or(dialog().getByText('1MiB', { exact: false })).or(dialog().getByText('1048576', { exact: false })).first().waitFor();
  const before = home.plugin('kept').requested[0];
  // Beside the file, because the one that runs is replaced as a whole.
  const next = home.module('next', { manifest: keeper('512MiB'), by: ADA });
  copyFileSync(next, home.at('modules', 'kept.wasm'));
  copyFileSync(`${next}.sig`, home.at('modules', 'kept.wasm.sig'));
  home.ctl('reload');
  const now = home.plugin('kept').requested[0];
  assert.notEqual(now.id, before.id);
  assert.notEqual(now.scope, before.scope);
  await grant().click();
  await dialog().getByRole('alert').getByText('nothing was granted').waitFor();
  await dialog().locator('.facts, dl').getByText(now.scope).first().waitFor();
  assert.deepEqual(home.plugin('kept').grants, []);
  // A second click of the same impatience grants nothing either.
  await grant().click();
  await dialog().getByRole('alert').getByText('Look at what it asks for now').waitFor();
  assert.deepEqual(home.plugin('kept').grants, []);
  await dialog().getByLabel('I have looked at what it asks for now').check();
  await grant().click();
  await toast('may now keep files').waitFor();
  assert.equal(home.plugin('kept').grants[0].grant, `Filesystem=${now.scope}`);
  hasNoComplaint(page);
});

test('the one of two requests of a capability that was shown is granted, and the other is not', async () => {
  const [all, drums] = home.plugin('band').requested;
  assert.equal(all.scope, '');
  assert.notEqual(all.id, drums.id);
  await go(page, '#/plugins/band', 'band');
  await page.getByRole('button', { name: /^(Grant|Change) Midi/ }).first().click();
  await dialog().getByText('everything of it').waitFor();
  await grant().click();
  await toast('may now play and hear MIDI').waitFor();
  const grants = home.plugin('band').grants.map((given) => given.grant);
  assert.equal(grants.length, 1, JSON.stringify(grants));
  assert.ok(!grants[0].includes('sysex'), JSON.stringify(grants));
  hasNoComplaint(page);
});
