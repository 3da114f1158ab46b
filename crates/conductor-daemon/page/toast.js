// Says at the edge of the page what came of something that was done; the only live region of the page besides the notice
// that the daemon is gone.

import { h, render } from './dom.js';
import { icon } from './icons.js';
import { SignedOut, failed } from './state.js';
import { theirs } from './text.js';

/** How long good news stays; bad news stays until it is put away. */
const SHOWN_FOR = 8000;

let timer = 0;
let isBad = false;

/** Says that something was done. */
export function say(...words) {
  show('good', 'check', h('p', {}, words));
  timer = setTimeout(hush, SHOWN_FOR);
}

/** Says that something was not done. */
export function sayError(error) {
  failed(error);
  if (error instanceof SignedOut) return;
  show('bad', 'refused', h('p', {}, theirs(error.message)), error.hint && h('p', { class: 'hint' }, theirs(error.hint)));
}

/** Puts away bad news of what is no longer looked at; good news may be why something else is looked at. */
export function moveOn() {
  if (isBad) hush();
}

/** Puts away what was said. */
export function hush() {
  clearTimeout(timer);
  render(document.getElementById('toast'));
}

function show(tone, iconName, ...words) {
  clearTimeout(timer);
  isBad = tone === 'bad';
  render(document.getElementById('toast'), h('div', { class: `toast ${tone}` }, icon(iconName), h('div', {}, words),
    h('button', { type: 'button', class: 'close', 'aria-label': 'Put away', onclick: hush }, icon('cross'))));
}

/** Does something, and says that it was done or why not. */
export async function attempt(work, ...words) {
  try {
    await work();
    say(...words);
    return true;
  } catch (error) {
    sayError(error);
    return false;
  }
}
