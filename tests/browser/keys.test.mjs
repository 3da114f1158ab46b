// Trusting and revoking keys on the page.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { go, hasNoComplaint } from './support/browser.mjs';
import { GRACE, until } from './support/home.mjs';
import { scene } from './support/scene.mjs';

let page;
let key;

const { home, dialog } = scene((home) => {
  key = home.publisher(GRACE, { trusted: false });
  home.config('');
}, (opened) => {
  page = opened;
});

/** Names of the keys that are trusted. */
const trusted = () => home.keys().map((one) => one.name);

/** What the publisher would say over the telephone: the fingerprint in groups, in capital letters. */
const told = () => createHash('sha256').update(Buffer.from(key, 'hex')).digest('hex').toUpperCase().replace(/(.{4})(?=.)/g, '$1 ');

test('nothing is trusted at first, and the page says how to begin', async () => {
  await page.getByRole('heading', { name: 'No plugins yet' }).waitFor();
  await go(page, '#/keys', 'Trusted keys');
  await page.getByRole('heading', { name: 'No key is trusted yet' }).waitFor();
});

test('a key is trusted only with the fingerprint that its publisher tells', async () => {
  await page.getByRole('button', { name: 'Trust a key…' }).click();
  await dialog().getByLabel('Name').fill('Grace');
  await dialog().getByLabel('Public key').fill(key);
  await dialog().getByRole('button', { name: 'Trust it' }).click();
  await dialog().getByText('Type the fingerprint that the publisher told you.').waitFor();
  await dialog().getByLabel('Fingerprint').fill('00'.repeat(32));
  await dialog().getByRole('button', { name: 'Trust it' }).click();
  await dialog().getByRole('alert').getByText('fingerprint').first().waitFor();
  assert.deepEqual(trusted(), []);
  await dialog().getByLabel('Fingerprint').fill(told());
  await dialog().getByRole('button', { name: 'Trust it' }).click();
  await page.locator('.key').getByText('Trusted', { exact: true }).waitFor();
  assert.deepEqual(trusted(), ['Grace']);
});

test('a publisher is trusted from the preview, and then the plugin would be loaded', async () => {
  const other = { key: 'other', name: 'Other Example', email: 'other@example.org' };
  const publicKey = home.publisher(other, { trusted: false });
  const file = home.module('chord', { example: 'chord', by: other });
  await go(page, '#/install', 'Install');
  await page.getByLabel('Plugin (.wasm)').setInputFiles(file);
  await page.getByLabel('Signature (.sig)').setInputFiles(`${file}.sig`);
  await page.getByRole('button', { name: 'Look at it' }).click();
  await page.locator('.preview').getByText('Would be refused').waitFor();
  await page.getByRole('button', { name: 'Trust this publisher…' }).click();
  assert.equal(await dialog().getByLabel('Public key').inputValue(), publicKey);
  await dialog().getByLabel('Fingerprint').fill(createHash('sha256').update(Buffer.from(publicKey, 'hex')).digest('hex'));
  await dialog().getByRole('button', { name: 'Trust it' }).click();
  await page.locator('.preview').getByText('Would be loaded').waitFor();
  await page.getByRole('button', { name: 'Install as chord' }).click();
  await page.getByRole('heading', { level: 1, name: 'chord' }).waitFor();
  await page.locator('.plugin-head').getByText('Running').waitFor();
});

test('a key is revoked, and what it signed is stopped', async () => {
  await go(page, '#/keys', 'Trusted keys');
  await page.getByRole('button', { name: 'Revoke the key Other Example' }).click();
  await dialog().getByLabel('Reason').fill('laptop <b>stolen</b>');
  await dialog().getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.locator('.key').getByText('laptop <b>stolen</b>').waitFor();
  await go(page, '#/plugins/chord', 'chord');
  await page.locator('.plugin-head').getByText('Stopped').waitFor();
  await until('the daemon says so', () => home.plugin('chord').state === 'withdrawn');
});

test('the browser complained about nothing', () => hasNoComplaint(page));
