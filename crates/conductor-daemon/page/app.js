// The page: it signs in, follows the daemon, and draws the view that the address names.

import { hasSession, signIn } from './daemon.js';
import { h, render } from './dom.js';
import { icon } from './icons.js';
import { follow, retryNow } from './live.js';
import { panicButton, standstill } from './panic.js';
import { button, refusal, skeleton } from './parts.js';
import { changed, known, onChange, refresh, refreshAll, signOut, state } from './state.js';
import { moveOn } from './toast.js';
import { theirs, visible } from './text.js';
import * as plugins from './view-plugins.js';

const SECTIONS = [['plugins', 'Plugins'], ['install', 'Install'], ['activity', 'Activity'], ['keys', 'Keys'], ['protection', 'Protection']];

/** Views that are loaded when they are first shown, so that the page starts fast. */
const LOADERS = {
  plugin: () => import('./view-plugin.js'),
  install: () => import('./view-install.js'),
  activity: () => import('./view-activity.js'),
  keys: () => import('./view-keys.js'),
  protection: () => import('./view-protection.js'),
};

/** Views that are loaded. */
const views = { plugins };

/** Takes the place of a view until the view is loaded. */
const LOADING = { title: (rest) => visible(rest[0] ?? ''), reads: () => [], view: () => skeleton() };

/** Takes the place of a view that could not be loaded. */
const MISSING = { ...LOADING, view: () => refusal({ message: 'This part of the page could not be read.', hint: 'It is read again when the daemon is back.' }) };

/** Time between two readings of what the daemon sends no events about: sums and sparklines. */
const BEAT = 5000;

/** The section, the name of its view, the view, and the rest of the address. */
function route() {
  const [name = '', ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decode);
  const [section, words] = SECTIONS.find(([one]) => one === name) ?? SECTIONS[0];
  const id = section === 'plugins' && rest[0] ? 'plugin' : section;
  return { section, id, view: views[id] ?? { ...LOADING, ...(id !== 'plugin' && { title: () => words }) }, rest };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function draw() {
  const { section, view, rest } = route();
  document.documentElement.dataset.link = state.link;
  if (state.session === 'out') leaveDialogs();
  const name = state.session === 'out' ? 'Signed out' : view.title(rest);
  document.title = `${name} · Conductor`;
  const waiting = state.session === 'in' ? (state.reads.get('plugins')?.data?.plugins ?? []).reduce((sum, one) => sum + (one.pending ?? 0), 0) : 0;
  render(document.getElementById('app'),
    h('a', { class: 'skip', href: '#main', onclick: skip }, 'To the content'),
    h('header', { class: 'frame' },
      h('div', { class: 'brand' }, mark(), h('span', {}, 'Conductor')),
      state.session === 'in' && h('nav', { class: 'sections', 'aria-label': 'Sections' }, h('ul', {}, SECTIONS.map(([id, words]) => h('li', {},
        h('a', { href: `#/${id}`, 'aria-current': id === section && 'page' }, icon(id), h('span', {}, words),
          id === 'plugins' && waiting > 0 && h('span', { class: 'many' }, waiting, h('span', { class: 'unseen' }, ' waiting'))))))),
      h('div', { class: 'frame-foot' }, state.session === 'in' && panicButton(), link(), theme())),
    h('main', { id: 'main', tabindex: '-1' },
      h('div', { role: 'status', class: 'lost' }, state.session === 'in' && state.link === 'off' && lost()),
      state.session === 'in' && standstill(),
      state.session === 'out' ? signedOut() : [view.back?.(), h('h1', { id: 'title', tabindex: '-1' }, theirs(name)),
        state.session === 'in' ? h('div', { class: 'view', key: location.hash }, drawn(view, rest)) : h('p', { class: 'hint' }, 'Signing in…')]));
}

/** What a view shows. If the view does not understand an answer, only the view fails, not the page. */
function drawn(view, rest) {
  try {
    return view.view(rest);
  } catch (error) {
    console.error(error);
    return refusal({ message: 'This part of the page cannot show what the daemon answered.', hint: 'Load the page again: the daemon may be of another version by now.' });
  }
}

const leaveDialogs = () => document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close());

/** Loads a view, unless it is loaded already. */
async function load(id) {
  if (views[id] && views[id] !== MISSING) return;
  try {
    views[id] = await LOADERS[id]();
  } catch {
    views[id] = MISSING;
  }
}

function skip(event) {
  event.preventDefault();
  document.getElementById('main').focus();
}

const mark = () => h('svg', { class: 'mark', viewBox: '0 0 32 32', 'aria-hidden': 'true', focusable: 'false' },
  h('rect', { width: '32', height: '32', rx: '9' }), h('path', { d: 'M7 16h4l3-7 4 14 3-7h4' }));

const LINKS = { connecting: 'Connecting', on: 'Connected', off: 'Not connected' };

const link = () => h('p', { class: `link ${state.session === 'out' ? 'off' : state.link}` }, h('span', { class: 'dot', 'aria-hidden': 'true' }),
  h('span', {}, state.session === 'out' ? 'Signed out' : LINKS[state.link]));

function lost() {
  return h('div', { class: 'notice wait' }, icon('offline'), h('div', {}, h('p', { class: 'notice-title' }, 'The daemon does not answer.'),
    h('p', {}, 'What you see is how it was. This page goes on by itself when the daemon is back.')), button('Try now', retryNow, { kind: 'small' }));
}

function signedOut() {
  return h('div', { class: 'signed-out empty' }, icon('keys'), h('h1', { id: 'title', tabindex: '-1' }, 'Signed out'),
    h('p', {}, state.signedOutWhy || 'This page belongs to whoever runs the daemon.'),
    h('p', {}, 'To sign in, run this in a terminal:'), h('p', { class: 'command' }, 'conductorctl ui'));
}

const THEMES = ['auto', 'light', 'dark'];

const themeNow = () => localStorage.getItem('theme') ?? 'auto';

const theme = () => h('button', { type: 'button', class: 'theme', onclick: () => {
  setTheme(THEMES[(THEMES.indexOf(themeNow()) + 1) % THEMES.length]);
  changed();
} }, icon('theme'), h('span', {}, 'Theme: ', visible(themeNow())));

function setTheme(name) {
  localStorage.setItem('theme', name);
  document.documentElement.dataset.theme = name;
}

/** Shows what the address names: draws it from its top, and moves the focus there. */
async function moved() {
  if (takeToken()) return;
  leaveDialogs();
  moveOn();
  const { id } = route();
  if (!views[id]) draw();
  await load(id);
  const now = route();
  if (now.id !== id) return;
  if (state.session === 'in') now.view.reads(now.rest).forEach((path) => (state.reads.has(path) ? refresh(path) : known(path)));
  draw();
  scrollTo(0, 0);
  document.getElementById('title')?.focus({ preventScroll: true });
}

/** Reads everything again that the view and the frame show. */
async function readAgain() {
  await load(route().id);
  const { view, rest } = route();
  const wanted = new Set(['plugins', 'pending', ...view.reads(rest)]);
  wanted.forEach((path) => known(path));
  refreshAll((path) => wanted.has(path));
}

/** Signs in with the one-time token of the address. The token is removed from the address first. */
function takeToken() {
  const token = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (!token) return false;
  history.replaceState(null, '', `${location.pathname}#/plugins`);
  start(token);
  return true;
}

async function start(token) {
  try {
    if (token) await signIn(token);
    else if (!hasSession()) {
      signOut('');
      return;
    }
  } catch (error) {
    signOut(error.message);
    return;
  }
  Object.assign(state, { session: 'in', link: 'connecting' });
  moved();
  follow(readAgain);
}

onChange(draw);
setTheme(themeNow());
addEventListener('hashchange', moved);
setInterval(() => {
  if (state.session === 'in' && state.link === 'on' && !document.hidden) readAgain();
}, BEAT);
draw();
if (!takeToken()) start(null);
