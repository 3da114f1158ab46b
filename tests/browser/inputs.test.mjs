// What came in and could not be used is told of on the page.

import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { PHONE, fits, go, hasNoComplaint, isAccessible, picture } from './support/browser.mjs';
import { ADA, until } from './support/home.mjs';
import { scene } from './support/scene.mjs';

const TUNE = fileURLToPath(new URL('../vectors/midi-file/cut-off/tune.mid', import.meta.url));

let page;

const { home } = scene((home) => {
  home.publisher(ADA, { trusted: true });
  home.config(`
    [plugins.notes]
    path = "${home.module('notes', { manifest: 'name = "notes"\nversion = "1.0"\n', by: ADA })}"
    [[inputs]]
    name = "tune"
    type = "midi-file"
    path = "${TUNE}"
    loop = true
    [[inputs]]
    name = "gone"
    type = "midi-file"
    path = "gone.mid"
    [[inputs]]
    name = "desk"
    type = "osc"
    listen = ":0"
  `);
}, (opened) => {
  page = opened;
});

test('inputs that fail, are damaged or drop something are named with the cause', async () => {
  const port = await until('the input listens', () => home.log.find((line) => line.includes('listening for OSC'))?.match(/:(\d+)\s*$/)?.[1]);
  const socket = createSocket('udp4');
  await new Promise((resolve) => socket.send('GET / HTTP/1.1', Number(port), '127.0.0.1', resolve));
  socket.close();
  await until('it is counted', () => JSON.parse(home.ctl('--json', 'status')).inputs[2].dropped?.['no-address'] === 1);
  await go(page, '#/protection', 'Protection');
  await page.getByText('Not all that comes in can be used.').waitFor();
  await page.getByText('tune damaged: track 1, tick 110: the track ends within an event').waitFor();
  await page.getByText(/^gone failed: cannot read .*gone\.mid/).waitFor();
  await page.getByText('desk dropped: 1 no-address').waitFor();
  await isAccessible(page);
  await page.setViewportSize(PHONE);
  await fits(page);
  await picture(page, 'inputs-phone-light');
});

test('the browser complained about nothing', () => hasNoComplaint(page));
