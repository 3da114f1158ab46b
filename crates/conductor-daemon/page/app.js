// The page: signs in, follows the daemon, and draws the view that the address names.

import { hasSession, signIn } from './api.js';
import { leaveAll } from './dialog.js';
import { h, render } from './dom.js';
import { icon } from './icons.js';
import { follow, retryNow } from './live.js';
import { button, empty } from './parts.js';
import { changed, known, onChange, refresh, refreshAll, signOut, state } from './state.js';
import { hush } from './toast.js';
import { theirs, visible } from './text.js';
import * as activity from './view-activity.js';
import * as install from './view-install.js';
import * as keys from './view-keys.js';
import * as plugin from './view-plugin.js';
import * as plugins from './view-plugins.js';
import * as protection from './view-protection.js';

const SECTIONS = [
  ['plugins', 'Plugins', plugins],
  ['install', 'Install', install],
  ['activity', 'Activity', activity],
  ['keys', 'Keys', keys],
  ['protection', 'Protection', protection],
];

/** How often is read what the daemon tells no news about: sums and sparklines. */
const BEAT = 5000;

/** The section, its view, and what follows in the address. */
function route() {
  const [name = '', ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decode);
  const [section, , view] = SECTIONS.find(([one]) => one === name) ?? SECTIONS[0];
  if (section === 'plugins' && rest[0]) return { section, view: plugin, rest };
  return { section, view, rest };
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
  if (state.session === 'out') leaveAll();
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
      h('div', { class: 'frame-foot' }, link(), theme())),
    h('main', { id: 'main', tabindex: '-1' },
      h('div', { role: 'status', class: 'lost' }, state.session === 'in' && state.link === 'off' && lost()),
      state.session === 'out' ? signedOut() : [h('h1', { id: 'title', tabindex: '-1' }, theirs(name)),
        state.session === 'in' ? h('div', { class: 'view', key: location.hash }, view.view(rest)) : h('p', { class: 'hint' }, 'Signing in…')]));
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
  return h('div', { class: 'signed-out' }, empty('keys', 'Signed out', h('p', {}, state.signedOutWhy || 'This page belongs to whoever runs the daemon.'),
    h('p', {}, 'To sign in, run this in a terminal:'), h('p', { class: 'command' }, 'conductorctl ui')));
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

/** Moves on to what the address names: draws it from its top, and says so by where the focus is. */
function moved() {
  if (takeToken()) return;
  leaveAll();
  hush();
  const { view, rest } = route();
  if (state.session === 'in') view.reads(rest).forEach((path) => (state.reads.has(path) ? refresh(path) : known(path)));
  draw();
  scrollTo(0, 0);
  document.getElementById('title')?.focus({ preventScroll: true });
}

/** Reads again what the view and the frame show. */
function readAgain() {
  const { view, rest } = route();
  const wanted = new Set(['plugins', 'pending', ...view.reads(rest)]);
  wanted.forEach((path) => known(path));
  refreshAll((path) => wanted.has(path));
}

/** Signs in with the one-time token of the address, which is taken out of it before anything else. */
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
