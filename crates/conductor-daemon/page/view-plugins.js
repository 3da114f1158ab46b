// All plugins: what needs the user's approval, then one card for each, with search and a filter by state.

import { does } from './capabilities.js';
import { h } from './dom.js';
import { icon } from './icons.js';
import { STATES, button, callsLine, empty, fingerprint, ofAll, refusal, riskBadge, skeleton, stateBadges, trustBadge } from './parts.js';
import { changed, known } from './state.js';
import { count, short, theirs, visible } from './text.js';

const chosen = { search: '', filter: 'all' };

export const title = () => 'Plugins';

export const reads = () => ['plugins', 'pending'];

export function view() {
  const { data, error } = known('plugins');
  const plugins = data?.plugins;
  if (error && !plugins) return refusal(error);
  if (!plugins) return skeleton();
  if (plugins.length === 0) {
    return empty('plugins', 'No plugins yet', h('p', {}, 'A plugin answers to what you play. Nothing of it runs before you have seen what it asks for.'),
      h('a', { class: 'button primary', href: '#/install' }, 'Install a plugin'));
  }
  const shown = plugins.filter((plugin) => matches(plugin));
  return [
    waiting(plugins),
    h('div', { class: 'tools' }, search(), filters(plugins)),
    h('p', { class: 'unseen', role: 'status' }, `Showing ${ofAll(shown.length, plugins.length, 'plugin')}`),
    shown.length === 0 ? empty('search', 'No plugin fits', button('Show all', showAll))
      : h('ul', { class: 'cards' }, shown.map(card)),
  ];
}

function showAll() {
  Object.assign(chosen, { search: '', filter: 'all' });
  changed();
}

function waiting(plugins) {
  const pending = known('pending').data?.pending ?? [];
  if (pending.length === 0) return null;
  return h('section', { class: 'waiting', 'aria-labelledby': 'waiting' },
    h('h2', { id: 'waiting' }, icon('waiting'), `${count(pending.length, 'request')} ${pending.length === 1 ? 'needs' : 'need'} your approval`),
    h('ul', {}, pending.map((request) => {
      const plugin = plugins.find((one) => one.alias === request.plugin) ?? { alias: request.plugin, name: request.name };
      return h('li', { key: `${request.plugin}/${request.capability}/${request.scope}` },
        h('p', {}, h('strong', {}, theirs(request.plugin)), ` wants to ${does(request.capability)}`,
          request.reason && h('span', { class: 'hint' }, '“', theirs(request.reason), '”')),
        riskBadge(request.risk),
        button('Review', async () => (await import('./grants.js')).askGrant(plugin, request), { kind: 'small', 'aria-label': `Review ${visible(request.capability)} of ${visible(request.plugin)}` }));
    })));
}

const search = () => h('label', { class: 'search' }, icon('search'), h('span', { class: 'unseen' }, 'Search plugins'),
  h('input', { type: 'search', value: chosen.search, placeholder: 'Search', autocomplete: 'off', spellcheck: 'false', oninput: (event) => {
    chosen.search = event.target.value;
    changed();
  } }));

function filters(plugins) {
  const present = Object.keys(STATES).filter((state) => plugins.some((plugin) => plugin.state === state));
  const all = [['all', 'All', plugins.length], ['pending', 'Waiting', plugins.filter((plugin) => plugin.pending > 0).length],
    ...present.map((state) => [state, STATES[state].words, plugins.filter((plugin) => plugin.state === state).length])];
  return h('div', { class: 'filters', role: 'group', 'aria-label': 'Filter by state' },
    all.filter(([name, , many]) => many > 0 || name === chosen.filter).map(([name, words, many]) => h('button', {
      key: name, type: 'button', class: 'filter', 'aria-pressed': String(chosen.filter === name), onclick: () => {
        chosen.filter = name;
        changed();
      } }, words, h('span', { class: 'many' }, many))));
}

function matches(plugin) {
  const fits = chosen.filter === 'all' || (chosen.filter === 'pending' ? plugin.pending > 0 : plugin.state === chosen.filter);
  const text = [plugin.alias, plugin.name, plugin.publisher?.name, plugin.trust].join('\n').toLowerCase();
  return fits && text.includes(chosen.search.trim().toLowerCase());
}

function card(plugin) {
  return h('li', { class: 'card', key: plugin.alias },
    h('div', { class: 'card-who' },
      h('h2', {}, h('a', { href: `#/plugins/${encodeURIComponent(plugin.alias)}` }, theirs(plugin.alias))),
      h('p', { class: 'hint' }, plugin.name && plugin.name !== plugin.alias && [theirs(plugin.name), ' '], plugin.version && theirs(plugin.version)),
      stateBadges(plugin)),
    h('div', { class: 'card-trust' }, trustBadge(plugin.trust_level, plugin.publisher),
      plugin.publisher ? h('p', { class: 'publisher' }, plugin.trust_level !== 'trusted' && theirs(plugin.publisher.name ?? 'Unknown publisher'), shortFingerprint(plugin.publisher))
        : h('p', { class: 'hint' }, 'No publisher is proven')),
    h('div', { class: 'card-calls' }, callsLine(plugin),
      h('p', { class: 'hint' }, `${short(plugin.calls)} calls`, plugin.failures > 0 && `, ${short(plugin.failures)} failed`)),
    plugin.why && (plugin.state !== 'running' || plugin.hint) && h('p', { class: `card-why ${plugin.state}` }, theirs(plugin.why),
      plugin.hint && h('span', { class: 'hint' }, ' ', theirs(plugin.hint))),
    plugin.change && h('div', { class: 'card-accept' }, button('Accept…', async () => (await import('./accept.js')).askAccept(plugin),
      { kind: 'small primary', 'aria-label': `Accept ${visible(plugin.alias)}` })));
}

/** The first words of a fingerprint, which are enough to see a change. All words are a click away. */
function shortFingerprint(publisher) {
  const words = visible(publisher.words ?? '').split(' ').slice(0, 4).join(' ');
  return h('span', { class: 'fingerprint-words', title: visible(publisher.words) }, words ? `${words} …` : fingerprint(publisher));
}
