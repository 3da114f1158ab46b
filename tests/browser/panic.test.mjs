// The button that silences everything: on every view and in every dialog, with what is said until plugins are resumed; and
// safe mode.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DESKTOP, PHONE, fits, go, hasNoComplaint, isAccessible, picture } from './support/browser.mjs';
import { ADA, until } from './support/home.mjs';
import { scene } from './support/scene.mjs';

let page;

const { home, dialog, toast } = scene((home) => {
  home.publisher(ADA, { trusted: true });
  home.config(`
    [plugins.chord]
    path = "${home.module('chord', { example: 'chord', by: ADA })}"
    [plugins.notes]
    path = "${home.module('notes', { example: 'notes', by: ADA })}"
    [midi.outputs.synth]
    to = "file:${home.at('synth.raw')}"
    [[inputs]]
    name = "clock"
    type = "interval"
    every = "20ms"
    [[mappings]]
    trigger = { input = "clock" }
    plugin = "chord"
    action = "step"
    parameters = { port = "synth" }
  `);
}, (opened) => {
  page = opened;
});

const status = () => JSON.parse(home.ctl('--json', 'status'));
const button = () => page.getByRole('button', { name: 'Panic', exact: true });

const VIEWS = [['#/plugins', 'Plugins'], ['#/plugins/chord', 'chord'], ['#/install', 'Install'], ['#/activity', 'Activity'],
  ['#/activity/audit', 'Audit log'], ['#/keys', 'Trusted keys'], ['#/protection', 'Protection']];

test('the button is on every view', async () => {
  for (const [hash, heading] of VIEWS) {
    await go(page, hash, heading);
    assert.equal(await button().count(), 1, heading);
    assert.ok(await button().isVisible(), heading);
  }
});

test('panic silences everything, and every view says so until plugins go on', async () => {
  assert.equal(status().paused, false);
  await button().click();
  await toast('Everything is silenced.').waitFor();
  assert.equal(status().paused, true);
  for (const [hash, heading] of VIEWS) {
    await go(page, hash, heading);
    await page.getByText('Everything is silenced, and plugins do nothing.').waitFor();
  }
  await isAccessible(page, 'paused');
  await picture(page, 'panic-desktop-light');
  const { dispatched } = status().events;
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(status().events.dispatched, dispatched, 'no plugin is called');
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  await toast('Plugins go on.').waitFor();
  await page.getByText('Everything is silenced, and plugins do nothing.').waitFor({ state: 'detached' });
  await until('plugins are called again', () => status().events.dispatched > dispatched);
});

test('what was silenced elsewhere is shown, and the button fits a phone', async () => {
  home.ctl('panic');
  await page.getByText('Everything is silenced, and plugins do nothing.').waitFor();
  const before = page.viewportSize();
  await page.setViewportSize(PHONE);
  assert.ok(await button().isVisible(), 'on a phone');
  await fits(page, 'a phone');
  await isAccessible(page, 'paused, on a phone');
  await picture(page, 'panic-phone-light');
  await page.setViewportSize(before);
  home.ctl('resume');
  await page.getByText('Everything is silenced, and plugins do nothing.').waitFor({ state: 'detached' });
});

/** Dialogs of each kind that there is: about a capability, a key and a plugin. */
const DIALOGS = [
  ['#/plugins', 'Plugins', () => page.getByRole('button', { name: 'Review Filesystem of notes' })],
  ['#/keys', 'Trusted keys', () => page.getByRole('button', { name: 'Trust a key…' })],
  ['#/keys', 'Trusted keys', () => page.getByRole('button', { name: `Revoke the key ${ADA.name}` })],
  ['#/plugins/chord', 'chord', () => page.getByRole('button', { name: 'Remove…' })],
];

const inDialog = () => dialog().getByRole('button', { name: 'Panic', exact: true });

/** Whether a press in the middle of an element reaches it. */
const isOnTop = (element) => element.evaluate((one) => {
  const box = one.getBoundingClientRect();
  return one.contains(document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2));
});

for (const [size, viewport] of [['phone', PHONE], ['desktop', DESKTOP]]) {
  test(`the button is in every dialog, ${size}`, async () => {
    const before = page.viewportSize();
    await page.setViewportSize(viewport);
    for (const [hash, heading, opener] of DIALOGS) {
      await go(page, hash, heading);
      await opener().click();
      await inDialog().waitFor();
      assert.ok(await isOnTop(inDialog()), heading);
      await inDialog().click();
      await dialog().getByText('Everything is silenced.').waitFor();
      assert.equal(status().paused, true, heading);
      await isAccessible(page, `a dialog after a panic, ${size}`);
      await picture(page, `panic-dialog-${size}-light`);
      assert.ok(await isOnTop(dialog().getByRole('button', { name: 'Put away' })), 'the message can be put away');
      await dialog().getByRole('button', { name: 'Put away' }).click();
      await page.keyboard.press('Escape');
      await dialog().waitFor({ state: 'detached' });
      await page.getByRole('button', { name: 'Resume', exact: true }).click();
      await toast('Plugins go on.').waitFor();
      assert.equal(status().paused, false, heading);
    }
    await page.setViewportSize(before);
  });
}

test('on a phone, the button stays where it is while the page is scrolled', async () => {
  const before = page.viewportSize();
  await page.setViewportSize({ ...PHONE, height: 400 });
  await go(page, '#/plugins/chord', 'chord');
  await page.locator('.terms').waitFor();
  const scrolled = await page.evaluate(() => {
    scrollTo(0, document.documentElement.scrollHeight);
    return scrollY;
  });
  assert.ok(scrolled > 100, `it is scrolled by ${scrolled}`);
  assert.ok(await isOnTop(button()));
  await page.setViewportSize(before);
});

test('safe mode is shown, and can be left', async () => {
  await go(page, '#/plugins', 'Plugins');
  home.ctl('safe', 'on');
  await page.getByText('Safe mode: no plugin is loaded.').waitFor();
  await page.locator('.card').getByText('the daemon is in safe mode').first().waitFor();
  await isAccessible(page, 'safe mode');
  await page.getByRole('button', { name: 'Leave safe mode' }).click();
  await toast('The plugins are loaded again.').waitFor();
  await page.locator('.card', { hasText: 'chord' }).getByText('Running').waitFor();
  assert.equal(status().safe, false);
});

test('the browser complained about nothing', () => hasNoComplaint(page));
