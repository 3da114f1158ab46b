// One plugin: its state, what it may do, what it did lately, and buttons to change it.

import { tell } from './daemon.js';
import { requestHead, scopeOf } from './capabilities.js';
import { ask } from './dialog.js';
import { h } from './dom.js';
import { askGrant, askRevoke } from './grants.js';
import { icon } from './icons.js';
import { secrets, settings } from './own.js';
import { badge, button, facts, fingerprint, notice, refusal, share, skeleton, sparkline, stateBadges, trustBadge } from './parts.js';
import { runByHand } from './run.js';
import { known } from './state.js';
import { attempt, say } from './toast.js';
import { bytes, count, duration, groups, number, short, theirs, visible, when } from './text.js';

export const title = ([alias]) => visible(alias);

export const reads = ([alias]) => [pathOf(alias)];

const pathOf = (alias) => `plugins/${encodeURIComponent(alias)}`;

export function view([alias]) {
  const { data: plugin, error } = known(pathOf(alias));
  if (error && !plugin) return refusal(error);
  if (!plugin) return skeleton();
  return [
    h('div', { class: 'plugin-head' },
      h('div', { class: 'badges' }, stateBadges(plugin), trustBadge(plugin.trust_level, plugin.publisher),
        h('span', { class: 'hint' }, plugin.name && plugin.name !== alias && [theirs(plugin.name), ' '], plugin.version && ['version ', theirs(plugin.version)])),
      plugin.description && h('p', { class: 'lead' }, theirs(plugin.description)),
      h('div', { class: 'buttons' }, buttons(plugin))),
    why(plugin),
    h('div', { class: 'columns' },
      h('div', {}, capabilities(plugin), secrets(plugin), settings(plugin), runByHand(plugin)),
      h('div', {}, lately(plugin), safety(plugin), about(plugin))),
  ];
}

/** The link back to all plugins, above the title. */
export const back = () => h('a', { class: 'back', href: '#/plugins' }, icon('back'), 'All plugins');

function buttons(plugin) {
  const alias = plugin.alias;
  const resumable = ['quarantined', 'backing-off', 'withdrawn'].includes(plugin.state);
  // Each button is a separate element, and buttons that are always there come first. So the button under a finger does
  // not become another one when the plugin changes its state.
  return [
    plugin.state === 'disabled'
      ? button('Enable', () => attempt(() => tell({ 'plugin-enable': { plugin: alias } }), theirs(alias), ' is enabled.'), { kind: 'primary', key: 'enable' })
      : button('Disable', () => attempt(() => tell({ 'plugin-disable': { plugin: alias } }), theirs(alias), ' does not run until you enable it.'), { key: 'disable' }),
    button('Remove…', () => askRemove(alias), { kind: 'danger', key: 'remove' }),
    plugin.change && button('Accept…', async () => (await import('./accept.js')).askAccept(plugin), { kind: 'primary', key: 'accept' }),
    resumable && button('Resume', () => attempt(() => tell({ 'plugin-resume': { plugin: alias } }), theirs(alias), ' was started again.'), { kind: 'primary', key: 'resume' }),
  ];
}

async function askRemove(alias) {
  const answer = await ask({
    title: ['Remove ', theirs(alias), '?'],
    confirm: 'Remove',
    tone: 'danger-solid',
    onSubmit: (data) => tell({ 'plugin-remove': { plugin: alias, with_data: data.get('with_data') !== null } }),
    body: () => [h('p', {}, 'It ends, and its files are deleted. What you granted is remembered; revoke it before if it should not be.'),
      h('label', { class: 'choice' }, h('input', { type: 'checkbox', name: 'with_data' }),
        h('span', {}, 'Delete what it wrote and its secrets as well', h('span', { class: 'hint' }, 'This cannot be undone.')))],
  });
  if (!answer) return;
  const list = (words, names) => (names ?? []).length > 0 && [words, theirs(names.join(', ')), '.'];
  say(theirs(alias), ' was removed.', list(' Its secrets are deleted: ', answer.secrets_deleted), list(' Its secrets are kept: ', answer.secrets_kept));
  location.hash = '#/plugins';
}

function why(plugin) {
  if (!plugin.why) return null;
  const words = { running: 'Its last call that failed', quarantined: 'It failed too often and is called no more', refused: 'It was not loaded', waiting: 'It is another plugin than before under this name, and was not loaded',
    withdrawn: 'It was stopped', ending: 'It was ended, and does not die', 'backing-off': 'It failed a few times and rests' }[plugin.state] ?? 'Why';
  return notice(['running', 'backing-off', 'waiting'].includes(plugin.state) ? 'wait' : 'bad', plugin.state === 'running' ? 'warning' : plugin.state, words,
    h('p', {}, theirs(plugin.why)), plugin.hint && h('p', {}, theirs(plugin.hint)),
    plugin.retry_in_ms > 0 && h('p', {}, `It is called again in ${duration(plugin.retry_in_ms * 1000)}.`));
}

function capabilities(plugin) {
  return h('section', { class: 'panel', 'aria-labelledby': 'capabilities' }, h('h2', { id: 'capabilities' }, 'What it may do'),
    plugin.requested.length === 0
      ? h('p', { class: 'hint' }, ['refused', 'waiting', 'loading'].includes(plugin.state) ? 'What it asks for is known once it is loaded.' : 'It asks for nothing: it computes, and reaches nothing beyond its own memory.')
      : h('ul', { class: 'requests' }, plugin.requested.map((request) => requestRow(plugin, request))));
}

function requestRow(plugin, request) {
  const granted = request.granted !== null && request.granted !== undefined;
  const mine = plugin.grants.filter((grant) => grant.grant.split('=')[0] === request.capability);
  const label = (word) => ({ 'aria-label': `${word} ${visible(request.capability)}` });
  return h('li', { key: `${request.capability}=${request.scope}` }, requestHead(request),
    facts([
      ['Asks for', scopeOf(request.scope)],
      ['Why', request.reason ? ['“', theirs(request.reason), '”'] : h('span', { class: 'scope-none' }, 'it gives no reason')],
      ['Granted', granted ? [scopeOf(request.granted), mine.map((grant) => grant.until && [', until ', when(grant.until, 'both')])] : null],
      ['Decided', request.decision && theirs(request.decision)],
    ]),
    h('div', { class: 'request-foot' },
      request.pending ? badge('wait', 'waiting', 'Needs your approval') : granted ? badge('good', 'check', 'Granted') : badge('quiet', 'minus', 'Not granted'),
      h('span', { class: 'buttons' },
        (granted || request.pending) && button(granted ? 'Revoke' : 'Deny', () => askRevoke(plugin, request), { kind: 'small', ...label(granted ? 'Revoke' : 'Deny') }),
        button(granted ? 'Change…' : 'Grant…', () => askGrant(plugin, request), { kind: `small ${request.pending ? 'primary' : ''}`, ...label(granted ? 'Change' : 'Grant') }))));
}

function lately(plugin) {
  const samples = plugin.activity ?? [];
  const last = samples.at(-1) ?? {};
  const limits = plugin.limits ?? {};
  const ofCalls = samples.reduce((sum, sample) => sum + sample.calls, 0);
  const fuel = samples.map((sample) => (sample.calls > 0 ? sample.fuel / sample.calls : 0));
  const memory = plugin.memory_bytes ?? last.memory ?? null;
  const most = (values) => Math.max(0, ...values.map((value) => value ?? 0));
  const micros = samples.map((sample) => sample.micros ?? 0);
  return h('section', { class: 'panel', 'aria-labelledby': 'lately' }, h('h2', { id: 'lately' }, 'Last five minutes'),
    h('div', { class: 'meters' },
      meter('Calls', number(ofCalls), `${number(plugin.calls)} in all, ${count(plugin.failures, 'failure')}`, samples.map((sample) => sample.calls)),
      meter('Fuel a call', short(most(fuel)), limits.max_fuel && `of ${short(limits.max_fuel)} at most`, fuel, most(fuel), limits.max_fuel),
      meter('Latency', duration(most(micros)), limits.max_execution_time_ms && `of ${duration(limits.max_execution_time_ms * 1000)} at most`, micros, most(micros), limits.max_execution_time_ms * 1000),
      meter('Memory', memory === null ? 'unknown' : bytes(memory), limits.max_memory_bytes && `of ${bytes(limits.max_memory_bytes)} at most`, samples.map((sample) => sample.memory), memory ?? 0, limits.max_memory_bytes)));
}

const meter = (name, value, hint, line, used, limit) => h('div', { class: 'meter' },
  h('h3', {}, name), h('p', { class: 'meter-value' }, value), h('p', { class: 'hint' }, hint),
  sparkline(line, `${name} over the last five minutes, now ${value}`), limit > 0 && share(used, limit));

function safety(plugin) {
  if (!plugin.safety) return null;
  const { score, terms } = plugin.safety;
  const tone = score >= 80 ? 'good' : score >= 50 ? 'wait' : 'bad';
  return h('section', { class: 'panel', 'aria-labelledby': 'safety' }, h('h2', { id: 'safety' }, 'Safety score'),
    h('p', { class: `score ${tone}` }, h('strong', {}, score), ' of 100'),
    h('table', { class: 'terms' }, h('caption', { class: 'unseen' }, 'How the score comes about'),
      h('tbody', {}, h('tr', {}, h('th', { scope: 'row' }, 'Every plugin begins with'), h('td', {}, '100')),
        terms.map((term) => h('tr', {}, h('th', { scope: 'row' }, theirs(term.why)), h('td', {}, term.points < 0 ? `−${-term.points}` : `+${term.points}`)))),
      h('tfoot', {}, h('tr', {}, h('th', { scope: 'row' }, 'Score'), h('td', {}, score)))));
}

function about(plugin) {
  const publisher = plugin.publisher;
  return h('section', { class: 'panel', 'aria-labelledby': 'about' }, h('h2', { id: 'about' }, 'About'),
    facts([
      ['Publisher', publisher && [theirs(publisher.name ?? 'unknown'), publisher.email && [' ', theirs(`<${publisher.email}>`)]]],
      ['Fingerprint', publisher && fingerprint(publisher)],
      ['Trust', plugin.trust && theirs(plugin.trust)],
      ['Author, by its own word', plugin.author && theirs(plugin.author)],
      ['Licence', plugin.license && theirs(plugin.license)],
      ['Digest', plugin.digest && h('span', { class: 'digits' }, groups(plugin.digest))],
      ['Grants belong to', plugin.bound_to && theirs(plugin.bound_to)],
      ['Walls', plugin.walls.length > 0 && plugin.walls.map((wall) => visible(wall)).join(', ')],
      ['Worker', plugin.worker_pid && `process ${plugin.worker_pid}`],
      ['Events refused', plugin.refused_events > 0 && number(plugin.refused_events)],
      ['Events merged', plugin.coalesced_events > 0 && number(plugin.coalesced_events)],
    ].map(([name, value]) => [name, value || null])));
}
