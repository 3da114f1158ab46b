// Who may use the page, what it costs to load, and what becomes of it when the daemon goes away.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { PHONE, hasNoComplaint, isAccessible, launch, open, picture, signedIn } from './support/browser.mjs';
import { ADA, Home } from './support/home.mjs';

const home = new Home();
let browser;

before(async () => {
  home.publisher(ADA, { trusted: true });
  const chord = home.module('chord', { example: 'chord', by: ADA });
  home.config(`[plugins.chord]\npath = "${chord}"\n`);
  await home.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await home.end();
});

test('whoever comes without a token is told how to sign in, and sees nothing', async () => {
  const page = await open(browser, { viewport: PHONE });
  await page.goto(new URL('/', home.address()).href);
  await page.getByRole('heading', { name: 'Signed out' }).waitFor();
  await page.getByText('conductorctl ui').waitFor();
  assert.equal(await page.getByText('chord').count(), 0);
  await picture(page, 'signed-out-phone-light');
  await isAccessible(page, 'signed out');
  hasNoComplaint(page);
});

test('a link signs in once, and its token is taken out of the address at once', async () => {
  const address = home.address();
  const page = await open(browser);
  await page.goto(address);
  await page.getByRole('link', { name: 'chord' }).waitFor();
  assert.doesNotMatch(page.url(), /token/);
  assert.doesNotMatch(await page.evaluate(() => JSON.stringify([history.state, document.cookie, document.referrer])), /token/);
  await page.reload();
  await page.getByRole('link', { name: 'chord' }).waitFor();
  const other = await open(browser);
  await other.goto(address);
  await other.getByText('This link was used already, or is older than a minute.').waitFor();
  hasNoComplaint(page);
  hasNoComplaint(other);
});

test('the page’s policy lets no text become markup or script, and asks nobody else', async () => {
  const page = await signedIn(browser, home);
  const tried = await page.evaluate(async () => {
    const outcome = (what) => {
      try {
        what();
        return 'done';
      } catch (error) {
        return error.name;
      }
    };
    const script = document.createElement('script');
    return {
      markup: outcome(() => { document.body.innerHTML = '<b>x</b>'; }),
      source: outcome(() => { script.src = 'https://example.org/x.js'; }),
      policy: outcome(() => trustedTypes.createPolicy('mine', {})),
      listener: outcome(() => document.body.setAttribute('onclick', 'alert(1)')),
      elsewhere: await fetch('https://example.org/').then(() => 'done', (error) => error.name),
    };
  });
  assert.deepEqual(tried, { markup: 'TypeError', source: 'TypeError', policy: 'TypeError', listener: 'TypeError', elsewhere: 'TypeError' });
  assert.ok(page.complaints.length > 0 && page.complaints.every((one) => /has been blocked|violates the document's Content Security Policy/.test(one)), page.complaints.join('\n'));
  await page.context().close();
});

test('an answer that the page does not understand costs a view, not the page', async () => {
  const page = await signedIn(browser, home);
  await page.route('**/api/status', (route) => route.fulfill({ json: { version: 1, response: { status: {} } } }));
  await page.getByRole('link', { name: 'Protection' }).click();
  await page.getByText('This part of the page cannot show what the daemon answered.').waitFor();
  await page.getByRole('link', { name: 'Plugins' }).click();
  await page.getByRole('link', { name: 'chord' }).waitFor();
  await page.context().close();
});

test('the first load takes less than 100 KB', async () => {
  const page = await open(browser);
  const client = await page.context().newCDPSession(page);
  let bytes = 0;
  await client.send('Network.enable');
  client.on('Network.loadingFinished', ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  await page.goto(home.address());
  await page.getByRole('link', { name: 'chord' }).waitFor();
  await page.getByText('Connected', { exact: true }).waitFor();
  assert.ok(bytes > 10_000 && bytes < 100_000, `${bytes} bytes`);
  console.log(`first load: ${bytes} bytes`);
});

test('a daemon that falls silent is told of, and found again without a word', async () => {
  const page = await signedIn(browser, home);
  home.daemon.kill('SIGSTOP');
  await page.getByText('The daemon does not answer.').waitFor();
  await page.getByRole('link', { name: 'chord' }).waitFor();
  await picture(page, 'offline-desktop-light');
  await isAccessible(page, 'offline');
  home.daemon.kill('SIGCONT');
  await page.getByText('The daemon does not answer.').waitFor({ state: 'detached' });
  await page.getByText('Connected', { exact: true }).waitFor();
  hasNoComplaint(page);
});

test('a daemon that was started anew asks to sign in again', async () => {
  const page = await signedIn(browser, home);
  const { port } = new URL(page.url());
  await home.stop();
  await page.getByText('The daemon does not answer.').waitFor();
  home.configAt(port);
  await home.start();
  await page.getByRole('heading', { name: 'Signed out' }).waitFor();
  await page.goto(home.address());
  await page.getByRole('link', { name: 'chord' }).waitFor();
  hasNoComplaint(page);
});
