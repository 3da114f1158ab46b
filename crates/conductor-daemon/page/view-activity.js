// Activity: calls as they end, and the audit log.

import { h } from './dom.js';
import { badge, button, empty, refusal, skeleton } from './parts.js';
import { changed, known, state } from './state.js';
import { duration, number, short, theirs, visible, when } from './text.js';

const AUDIT = 'audit?last=200';

const chosen = { plugin: '', pausedAt: /** @type {any[] | null} */ (null) };

export const title = ([part]) => (part === 'audit' ? 'Audit log' : 'Activity');

export const reads = ([part]) => (part === 'audit' ? [AUDIT, 'plugins'] : ['plugins']);

export const view = ([part]) => [
  h('nav', { class: 'tabs', 'aria-label': 'Activity' }, tab('#/activity', 'Calls', part !== 'audit'), tab('#/activity/audit', 'Audit log', part === 'audit')),
  part === 'audit' ? audit() : calls(),
];

const tab = (href, words, here) => h('a', { href, 'aria-current': here && 'page' }, words);

function calls() {
  const all = chosen.pausedAt ?? state.calls;
  const shown = all.filter((call) => !chosen.plugin || visible(call.plugin) === chosen.plugin);
  return [
    h('div', { class: 'tools' }, pluginChoice(all.map((call) => call.plugin)),
      button(chosen.pausedAt ? 'Go on' : 'Pause', pause, { 'aria-pressed': String(chosen.pausedAt !== null) })),
    shown.length === 0 ? empty('activity', 'Nothing is played', h('p', {}, 'Calls appear here as they end, while this page is open.'))
      : h('div', { class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': 'Calls' }, h('table', { class: 'log calls' },
        h('thead', {}, h('tr', {}, ['Time', 'Plugin', 'Action', 'Event', 'Outcome', 'Took', 'Fuel'].map((name, place) => h('th', { scope: 'col', class: place > 4 && 'amount' }, name)))),
        h('tbody', {}, shown.slice(0, 100).map(callRow)))),
  ];
}

function pause() {
  chosen.pausedAt = chosen.pausedAt ? null : [...state.calls];
  changed();
}

const callRow = (call) => h('tr', { key: String(call.number) },
  h('td', { class: 'when' }, when(call.timestamp, 'time')),
  h('td', { class: 'who' }, pluginLink(call.plugin)),
  h('td', { class: 'action' }, theirs(call.action)),
  h('td', { class: 'event' }, theirs(call.event)),
  h('td', { class: 'outcome' }, badge(call.outcome === 'ok' ? 'good' : 'bad', call.outcome === 'ok' ? 'check' : 'refused', theirs(call.outcome)),
    call.error && h('p', { class: 'hint' }, theirs(call.error))),
  h('td', { class: 'amount took' }, duration(call.micros)),
  h('td', { class: 'amount fuel' }, short(call.fuel_used)));

const pluginLink = (alias) => h('a', { href: `#/plugins/${encodeURIComponent(alias)}` }, theirs(alias));

function pluginChoice(more) {
  const names = new Set([...(known('plugins').data?.plugins ?? []).map((plugin) => plugin.alias), ...more.filter(Boolean)].map(visible));
  return h('label', { class: 'inline' }, 'Plugin', h('select', { onchange: (event) => {
    chosen.plugin = event.target.value;
    changed();
  } }, h('option', { value: '', selected: chosen.plugin === '' }, 'All'),
  [...names].sort().map((name) => h('option', { key: name, value: name, selected: chosen.plugin === name }, name))));
}

/** The tone and icon of a record, by its event. */
const TONES = {
  'capability-denied': ['bad', 'refused'], 'plugin-refused': ['bad', 'refused'], 'plugin-quarantined': ['bad', 'quarantined'],
  'plugin-withdrawn': ['bad', 'withdrawn'], 'log-truncated': ['bad', 'warning'], 'log-mended': ['wait', 'warning'], 'call-ended': ['wait', 'warning'],
  'capability-failed': ['wait', 'warning'], 'capability-granted': ['good', 'check'], 'capability-revoked': ['wait', 'minus'],
  'secret-entered': ['good', 'check'], 'secret-removed': ['wait', 'minus'],
};

/** Members that every record has, or that are shown elsewhere in its row. */
const COMMON = new Set(['version', 'time', 'plugin', 'event', 'seq', 'chain']);

function audit() {
  const { data, error } = known(AUDIT);
  if (error && !data) return refusal(error);
  if (!data) return skeleton(5);
  const names = data.records.map((record) => record.plugin);
  const shown = data.records.filter((record) => !chosen.plugin || visible(record.plugin) === chosen.plugin).reverse();
  return [
    h('div', { class: 'tools' }, pluginChoice(names), h('p', { class: 'hint' }, `The last ${number(data.records.length)} records, the latest first`)),
    shown.length === 0 ? empty('activity', 'No record fits') : h('ol', { class: 'audit' }, shown.map(auditRow)),
  ];
}

function auditRow(record) {
  const [tone, iconName] = TONES[record.event] ?? ['quiet', 'activity'];
  const members = Object.entries(record).filter(([name, value]) => !COMMON.has(name) && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0));
  return h('li', { key: String(record.seq) },
    h('div', { class: 'audit-head' }, badge(tone, iconName, visible(record.event).replaceAll('-', ' ')), record.plugin && h('strong', {}, theirs(record.plugin)),
      h('span', { class: 'hint' }, when(record.time, 'both'))),
    members.length > 0 && h('p', { class: 'members' }, members.map(([name, value]) => h('span', {}, h('span', { class: 'member' }, `${visible(name).replaceAll('_', ' ')} `),
      theirs(typeof value === 'string' ? value : Array.isArray(value) ? value.join(', ') : JSON.stringify(value))))));
}
