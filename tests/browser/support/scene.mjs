// A daemon and a page that is signed in to it, as the tests of one file find them.

import { after, before } from 'node:test';

import { launch, signedIn } from './browser.mjs';
import { Home } from './home.mjs';

/**
 * Starts both before the tests of a file and ends them after.
 * @param {(home: Home) => void} furnish puts keys, plugins and the configuration into the home before the daemon starts
 * @param {(page: import('playwright-core').Page) => void} opened is handed the page
 */
export function scene(furnish, opened) {
  const home = new Home();
  let browser;
  let page;
  before(async () => {
    furnish(home);
    await home.start();
    browser = await launch();
    page = await signedIn(browser, home);
    opened(page);
  });
  after(async () => {
    await browser?.close();
    await home.end();
  });
  return {
    home,
    dialog: () => page.getByRole('dialog'),
    toast: (words) => page.locator('#toast').getByText(words),
  };
}
