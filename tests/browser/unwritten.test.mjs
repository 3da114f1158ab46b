// A revocation that can be written nowhere: it holds, and the page says which it is until it was written.

import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';

import { go, hasNoComplaint, isAccessible, picture } from './support/browser.mjs';
import { ADA, until } from './support/home.mjs';
import { scene } from './support/scene.mjs';

let page;

const { home, dialog } = scene((home) => {
  home.publisher(ADA, { trusted: true });
  const notes = home.module('notes', { manifest: 'name = "notes"\nversion = "1.0"\n[[capabilities]]\nname = "Filesystem"\n', by: ADA });
  home.config(`[plugins.notes]\npath = "${notes}"\ngranted_capabilities = ["Filesystem"]\n`);
}, (opened) => {
  page = opened;
});

const FILES = ['grants.toml', 'denials.journal'];

test('what was revoked and stands in no file is told', async () => {
  await go(page, '#/plugins/notes', 'notes');
  await page.getByRole('button', { name: 'Revoke Filesystem' }).click();
  // What somebody has damaged is not written over.
  for (const name of FILES) writeFileSync(home.at('config', name), 'damaged\n', { mode: 0o600 });
  await dialog().getByRole('button', { name: 'Revoke', exact: true }).click();
  await dialog().getByRole('alert').waitFor();
  await dialog().getByRole('button', { name: 'Cancel' }).click();
  assert.match(home.plugin('notes').capabilities.join('\n'), /Filesystem is denied/, 'it holds all the same');

  await go(page, '#/protection', 'Protection');
  const told = page.locator('.notice').filter({ hasText: '1 revocation could not be written.' });
  await told.getByText('Filesystem of notes').waitFor();
  await isAccessible(page);
  await picture(page, 'unwritten-desktop-light');
});

test('it is told no more once it was written', async () => {
  for (const name of FILES) rmSync(home.at('config', name));
  await until('it was written', () => !JSON.parse(home.ctl('--json', 'status')).unkept_denials);
  assert.match(readFileSync(home.at('config', 'grants.toml'), 'utf8'), /Filesystem/);
  await go(page, '#/plugins', 'Plugins');
  await go(page, '#/protection', 'Protection');
  await page.getByText('Both walls stand').or(page.getByText('Only one wall stands')).first().waitFor();
  await page.getByText('could not be written').filter({ hasText: 'revocation' }).waitFor({ state: 'detached' });
});

test('the browser complained about nothing', () => hasNoComplaint(page));
