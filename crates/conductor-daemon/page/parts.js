// Small parts that several views use: badges, sparklines, notices, facts.

import { h } from './dom.js';
import { icon } from './icons.js';
import { count, theirs, visible } from './text.js';

/** The states of a plugin, each with its words and the tone of its badge. */
export const STATES = {
  loading: { words: 'Loading', tone: 'quiet' },
  running: { words: 'Running', tone: 'good' },
  'backing-off': { words: 'Backing off', tone: 'wait' },
  quarantined: { words: 'Quarantined', tone: 'bad' },
  ending: { words: 'Ending', tone: 'bad' },
  withdrawn: { words: 'Stopped', tone: 'bad' },
  disabled: { words: 'Disabled', tone: 'quiet' },
  waiting: { words: 'Needs your approval', tone: 'wait' },
  refused: { words: 'Refused', tone: 'bad' },
};

const TRUST = {
  unsigned: { words: () => 'Unsigned', tone: 'wait' },
  'self-signed': { words: () => 'Self-signed, not trusted', tone: 'wait' },
  trusted: { words: (who) => (who ? ['Trusted: ', theirs(who)] : 'Trusted'), tone: 'good' },
  expired: { words: () => 'Trust expired', tone: 'bad' },
  revoked: { words: () => 'Revoked', tone: 'bad' },
  invalid: { words: () => 'Signature invalid', tone: 'bad' },
};

const RISKS = { low: 'quiet', medium: 'wait', high: 'bad' };

/** An icon and words on a ground whose colour shows the tone. */
export const badge = (tone, iconName, ...words) => h('span', { class: `badge ${tone}` }, icon(iconName), h('span', {}, words));

/** The state of a plugin, and how much waits for a decision. */
export function stateBadges(plugin) {
  const { words, tone } = STATES[plugin.state] ?? { words: visible(plugin.state), tone: 'quiet' };
  return h('span', { class: 'badges' }, badge(tone, plugin.state, words),
    plugin.pending > 0 && badge('wait', 'waiting', 'Waiting for approval'));
}

/** Who vouches for a plugin. For a plugin that could not be read, this is unknown. */
export function trustBadge(level, publisher) {
  const { words, tone } = TRUST[level] ?? { words: () => 'Trust unknown', tone: 'quiet' };
  return badge(tone, level in TRUST ? level : 'unsigned', words(publisher?.name));
}

/** How much damage a capability could do. */
export const riskBadge = (risk) => badge(RISKS[risk] ?? 'bad', risk === 'low' ? 'check' : 'warning', `${visible(risk)} risk`);

/** A notice of something that waits, is wrong or needs attention: words, an optional second line, and buttons. */
export const notice = (tone, iconName, title, ...more) => h('div', { class: `notice ${tone}` }, icon(iconName),
  h('div', {}, h('p', { class: 'notice-title' }, title), more));

/** A refusal of the daemon, with what the user can do about it. */
export const refusal = (error) => h('div', { class: 'notice bad', role: 'alert' }, icon('refused'),
  h('div', {}, h('p', { class: 'notice-title' }, theirs(error.message)), error.hint && h('p', {}, theirs(error.hint))));

/** A view without anything to show. */
export const empty = (iconName, title, ...more) => h('div', { class: 'empty' }, icon(iconName), h('h2', {}, title), more);

/** The outline of a view that is being read. */
export const skeleton = (rows = 3) => h('div', { class: 'skeletons' }, h('p', { class: 'unseen', role: 'status' }, 'Reading…'),
  Array.from({ length: rows }, () => h('div', { class: 'skeleton', 'aria-hidden': 'true' })));

/** Pairs of a name and a value. Pairs without a value are left out. */
export const facts = (pairs) => h('dl', { class: 'facts' }, pairs.filter(([, value]) => value !== null && value !== undefined
  && value !== '').map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));

const WIDTH = 120;
const HEIGHT = 32;

/**
 * A line of numbers, oldest first, with a mark at the last.
 * @param {(number | null)[]} values
 * @param {string} label the text for screen readers
 * @param {number} [slots] how many numbers fill the whole line
 */
export function sparkline(values, label, slots = 60) {
  const most = Math.max(...values.map((value) => value ?? 0), 0);
  const step = WIDTH / (slots - 1);
  const from = WIDTH - (values.length - 1) * step;
  const y = (value) => HEIGHT - 3 - (most > 0 ? (value ?? 0) / most : 0) * (HEIGHT - 6);
  const points = values.map((value, place) => `${(from + place * step).toFixed(1)},${y(value).toFixed(1)}`);
  const line = points.length > 0 ? `M${points.join('L')}` : '';
  const last = values.at(-1) ?? 0;
  return h('svg', { class: 'spark', viewBox: `0 0 ${WIDTH + 4} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    h('path', { class: 'spark-base', d: `M0,${HEIGHT - 3}H${WIDTH}` }),
    most > 0 && h('path', { class: 'spark-area', d: `${line}V${HEIGHT}H${from.toFixed(1)}Z` }),
    most > 0 && h('path', { class: 'spark-line', d: line }),
    most > 0 && h('path', { class: 'spark-dot', d: `M${WIDTH},${y(last).toFixed(1)}h.01` }));
}

/** The calls of the last minutes as a line. */
export function callsLine(plugin) {
  const calls = (plugin.activity ?? []).map((sample) => sample.calls);
  const sum = calls.reduce((all, one) => all + one, 0);
  return sparkline(calls, `Calls of the last five minutes: ${number(sum)}`);
}

const number = (value) => value.toLocaleString('en');

/** How much of a limit is used, as a bar below the words. */
export function share(value, limit) {
  const part = limit > 0 ? Math.min(1, value / limit) : 0;
  const tone = part > 0.9 ? 'bad' : part > 0.7 ? 'wait' : '';
  return h('div', { class: `share ${tone}`, 'aria-hidden': 'true' }, h('div', { style: { width: `${(part * 100).toFixed(1)}%` } }));
}

/** A button. */
export const button = (words, onclick, { kind = '', ...props } = {}) => h('button', { type: 'button', class: `button ${kind}`, onclick, ...props },
  Array.isArray(words) ? h('span', { class: 'words' }, words) : words);

/** A fingerprint: twelve words to read aloud, with the digits below. */
export const fingerprint = ({ words, fingerprint: digits }) => h('span', { class: 'fingerprint' },
  words && h('span', { class: 'fingerprint-words' }, theirs(words)), digits && h('span', { class: 'fingerprint-digits' }, groupsOf(digits)));

const groupsOf = (digits) => visible(digits).replace(/\s/g, '').replace(/(.{4})(?=.)/g, '$1 ');

/** `3 of 5 plugins`. */
export const ofAll = (some, all, one) => (some === all ? count(all, one) : `${some} of ${count(all, one)}`);
