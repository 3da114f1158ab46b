// A plugin's own settings as a form, and the secrets that it uses and never gets.

import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';

import { go, hasNoComplaint, isAccessible } from './support/browser.mjs';
import { ADA, until } from './support/home.mjs';
import { scene } from './support/scene.mjs';

const SECRET = 'hush-9d40-must-not-be-seen';

const MANIFEST = `name = "weather"
version = "1.0.0"
[[actions]]
name = "count"
[[capabilities]]
name = "Network"
scope = "api.example.org"
[[settings]]
name = "gain"
type = "number"
min = 0
max = 1
default = 0.5
description = "How <b>loud</b> it plays"
[[settings]]
name = "mode"
type = "choice"
choices = ["major", "minor"]
[[settings]]
name = "loud"
type = "bool"
default = false
[[settings]]
name = "word"
type = "text"
secret = true
[[secrets]]
name = "token"
reason = "to <b>read</b> the weather"
hosts = ["api.example.org", "localhost:8123"]
`;

let page;

const { home, dialog, toast } = scene((home) => {
  home.publisher(ADA, { trusted: true });
  const weather = home.module('weather', { manifest: MANIFEST, by: ADA });
  home.config(`# mine
[plugins.weather]
path = "${weather}"
[plugins.weather.settings]
mode = "minor" # sad
`);
}, (opened) => {
  page = opened;
});

const config = () => readFileSync(home.at('config', 'config.toml'), 'utf8');

const value = (name) => home.plugin('weather').settings.find((setting) => setting.name === name).value;

test('settings are a form with the values that the plugin has', async () => {
  await go(page, '#/plugins/weather', 'weather');
  const form = page.getByRole('region', { name: 'Settings' });
  const chosen = (name) => form.getByLabel(name, { exact: true }).locator('option:checked').innerText();
  assert.equal(await form.getByLabel('gain', { exact: true }).inputValue(), '0.5');
  assert.equal(await chosen('mode'), 'minor');
  assert.equal(await chosen('loud'), 'false');
  assert.equal(await form.getByLabel('word', { exact: true }).inputValue(), '');
  await form.getByText('How <b>loud</b> it plays').waitFor();
  await form.getByText('from 0 to 1').waitFor();
  await isAccessible(page);
});

test('a change is written to the file, and leaves the rest of it as it is', async () => {
  const form = page.getByRole('region', { name: 'Settings' });
  await form.getByLabel('gain', { exact: true }).fill('0.25');
  await form.getByLabel('loud', { exact: true }).selectOption('true');
  await form.getByLabel('word', { exact: true }).fill(SECRET);
  await form.getByRole('button', { name: 'Save' }).click();
  await toast('has it from its next call on').waitFor();
  assert.deepEqual([value('gain'), value('mode'), value('loud'), value('word')], [0.25, 'minor', true, null]);
  assert.match(config(), /# mine[^]*mode = "minor" # sad\n/);
  assert.match(config(), /gain = 0\.25/);
  await form.getByText('It is set, and not shown.').waitFor();
  assert.ok(!(await page.content()).includes(SECRET), 'the value of a secret setting is not on the page');
});

test('a value that does not fit is refused, and nothing is changed', async () => {
  const form = page.getByRole('region', { name: 'Settings' });
  await form.getByLabel('gain', { exact: true }).fill('7');
  await form.getByRole('button', { name: 'Save' }).click();
  await form.getByRole('alert').getByText('must be at most 1').waitFor();
  assert.equal(value('gain'), 0.25);
  await form.getByRole('button', { name: 'Put gain back to its default' }).click();
  await until('it is at its default', () => value('gain') === 0.5);
});

test('a secret is entered with its hosts in sight, and shown nowhere', async () => {
  const secrets = page.getByRole('region', { name: 'Secrets' });
  await secrets.getByText('Not entered').waitFor();
  await secrets.getByText('to <b>read</b> the weather').waitFor();
  await secrets.getByRole('button', { name: 'Enter token' }).click();
  await dialog().getByText('It goes to api.example.org, localhost:8123').waitFor();
  await dialog().getByText('Trusted: Ada Example').waitFor();
  await isAccessible(page);
  await dialog().getByRole('button', { name: 'Keep it' }).click();
  await dialog().getByText('Type or paste the secret.').waitFor();
  assert.equal(await dialog().getByLabel('Secret', { exact: true }).getAttribute('type'), 'password');
  await dialog().getByLabel('Secret', { exact: true }).fill(SECRET);
  await dialog().getByRole('button', { name: 'Keep it' }).click();
  await toast('is kept').waitFor();
  await secrets.getByText('Entered', { exact: true }).first().waitFor();
  const [secret] = home.plugin('weather').secrets;
  assert.deepEqual(secret.confirmed, ['api.example.org', 'localhost:8123']);
  assert.equal(statSync(home.at('state', 'secrets')).mode & 0o777, 0o600);
  assert.ok(!(await page.content()).includes(SECRET));
});

test('a secret that could end a header field is refused', async () => {
  const secrets = page.getByRole('region', { name: 'Secrets' });
  await secrets.getByRole('button', { name: 'Replace token' }).click();
  await dialog().getByLabel('Secret', { exact: true }).fill('with umlaut: ü');
  await dialog().getByRole('button', { name: 'Keep it' }).click();
  await dialog().getByRole('alert').getByText('a character that header fields cannot have').waitFor();
  await page.keyboard.press('Escape');
});

test('a secret is taken away', async () => {
  const secrets = page.getByRole('region', { name: 'Secrets' });
  await secrets.getByRole('button', { name: 'Remove token' }).click();
  await toast('was removed').waitFor();
  await secrets.getByText('Not entered').waitFor();
  assert.equal(home.plugin('weather').secrets[0].kept_in, null);
});

test('the browser complained about nothing', () => hasNoComplaint(page));
