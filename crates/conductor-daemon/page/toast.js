// Messages at the edge of the page about the result of an action. Beside the notice that the daemon is gone, this is
// the only live region of the page.

import { h, render } from './dom.js';
import { icon } from './icons.js';
import { SignedOut, failed } from './state.js';
import { theirs } from './text.js';

/** How long a success is shown. A failure is shown until it is dismissed. */
const SHOWN_FOR = 8000;

let timer = 0;
let isBad = false;

/** Shows that something was done. */
export function say(...words) {
  show('good', 'check', h('p', {}, words));
  timer = setTimeout(hush, SHOWN_FOR);
}

/** Shows that something was not done. */
export function sayError(error) {
  failed(error);
  if (error instanceof SignedOut) return;
  show('bad', 'refused', h('p', {}, theirs(error.message)), error.hint && h('p', { class: 'hint' }, theirs(error.hint)));
}

/** Hides a failure when another view is shown. A success stays, because it may be the reason for the other view. */
export function moveOn() {
  if (isBad) hush();
}

/** Shows messages inside another element from now on. @param {Element} place */
export const moveInto = (place) => place.append(document.getElementById('toast'));

/** Hides the message. */
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

/** Does something, and shows that it was done or why it was not. */
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
