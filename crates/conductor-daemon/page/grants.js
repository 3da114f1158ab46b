// Granting and revoking: what a capability means in plain words, and the dialogs that decide about it.

import { tell } from './api.js';
import { Invalid, ask } from './dialog.js';
import { h } from './dom.js';
import { icon } from './icons.js';
import { facts, notice, riskBadge, trustBadge } from './parts.js';
import { say } from './toast.js';
import { theirs, visible, when } from './text.js';

/** What each capability is called, what it lets a plugin do, what could come of it, and how a narrower scope looks. */
export const CAPABILITIES = {
  Network: {
    does: 'talk to the internet',
    consequence: 'It can send whatever it knows to these hosts, and reach services on your own machine or network that it names.',
    narrower: 'api.example.com;methods=GET',
  },
  Audio: {
    does: 'play sound',
    consequence: 'It can play sounds on these devices.',
    narrower: 'default;gain=0.5;seconds=30',
  },
  Midi: {
    does: 'play and hear MIDI',
    consequence: 'It can play on these ports and hear what is played; System Exclusive messages can rewrite the memory of an instrument.',
    narrower: 'synth',
  },
  Filesystem: {
    does: 'keep files',
    consequence: 'It can keep files in one directory of its own, up to its quota. It sees no other file of yours.',
    narrower: 'read-only;bytes=10MiB',
  },
  Subprocess: {
    does: 'run programs',
    consequence: 'It can run these programs as you. They are not sandboxed as the plugin is: what they can do, it can do through them.',
    narrower: '/usr/bin/obs-cli;args=scene*;seconds=5',
  },
  SystemControl: {
    does: 'control this computer',
    consequence: 'It can do these things to your desktop at any time it is called: change the volume, press media keys, show messages, lock the screen, open pages.',
    narrower: 'notify',
  },
};

const known = (capability) => CAPABILITIES[capability] ?? { does: 'use it', consequence: 'It gets this capability.', narrower: '' };

/** The words for a capability, after "may" or "wants to". */
export const does = (capability) => known(capability).does;

/** A scope as people read it: its parts one by one. */
export const scopeOf = (scope) => (scope ? theirs(scope, 'scope') : h('span', { class: 'scope-none' }, 'everything of it'));

const DURATIONS = [
  ['once', 'Once', 'until the end of the first call that uses it'],
  ['session', 'This session', 'until the daemon ends'],
  ['until', 'Until a date', ''],
  ['always', 'Always', 'until you revoke it'],
];

/**
 * Asks whether to grant what a plugin asks for.
 * @param {{alias: string, name: string | null, trust_level: string | null, publisher: any, trust: string | null}} plugin
 * @param {any} request
 */
export async function askGrant(plugin, request) {
  const { capability, scope, risk, reason, earlier } = request;
  const high = risk === 'high';
  const own = plugin.name ?? plugin.alias;
  // What is of high risk is never granted without saying what of it.
  const mustNarrow = high && !scope;
  const answer = await ask({
    title: ['Let ', theirs(plugin.alias), ` ${does(capability)}?`],
    confirm: 'Grant',
    tone: high ? 'danger-solid' : 'primary',
    cancel: 'Not now',
    other: request.pending && { words: 'Deny', work: () => deny(plugin.alias, capability) },
    onSubmit: (data) => grant(plugin, request, data),
    body: ({ data, draw }) => {
      const chosen = data();
      const lasts = chosen.get('lasts') ?? (high ? 'session' : 'always');
      const narrow = mustNarrow || chosen.get('extent') === 'narrow';
      return [
        high ? notice('bad', 'warning', 'This is a high risk.', h('p', {}, known(capability).consequence))
          : notice(risk === 'medium' ? 'wait' : 'quiet', capability, known(capability).consequence),
        facts([
          ['Capability', [visible(capability), ' ', riskBadge(risk)]],
          ['Asks for', scopeOf(scope)],
          ['Its reason', reason ? ['“', theirs(reason), '”'] : h('span', { class: 'scope-none' }, 'it gives none')],
          ['Vouched for by', trustBadge(plugin.trust_level, plugin.publisher)],
          ['Before', earlier && earlierWords(earlier)],
        ]),
        h('fieldset', { onchange: draw }, h('legend', {}, 'How much'),
          !mustNarrow && choice('extent', 'all', !narrow, 'What it asks for'),
          choice('extent', 'narrow', narrow, mustNarrow ? 'What you name here' : 'Less than that'),
          narrow && h('div', { class: 'field indent' },
            h('label', { for: 'grant-scope' }, 'Scope'),
            h('input', { id: 'grant-scope', name: 'scope', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off',
              'aria-describedby': 'grant-scope-hint', placeholder: known(capability).narrower }),
            h('p', { class: 'hint', id: 'grant-scope-hint' }, `Such as ${known(capability).narrower}. What goes beyond what it asks for has no effect.`))),
        h('fieldset', { onchange: draw }, h('legend', {}, 'How long'),
          DURATIONS.map(([value, words, hint]) => choice('lasts', value, lasts === value, words, hint)),
          lasts === 'until' && h('div', { class: 'field indent' },
            h('label', { for: 'grant-until' }, 'Last day, in UTC'),
            h('input', { id: 'grant-until', type: 'date', name: 'until', min: new Date().toISOString().slice(0, 10) }))),
        high && h('div', { class: 'field' },
          h('label', { for: 'grant-name' }, 'To grant it, type the plugin’s name: ', h('strong', {}, theirs(own))),
          h('input', { id: 'grant-name', name: 'typed_name', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' })),
      ];
    },
  });
  if (answer === 'denied') say(`${visible(capability)} is denied to `, theirs(plugin.alias), '.');
  else if (answer) say(theirs(plugin.alias), ` may now ${does(capability)}.`);
}

const choice = (name, value, checked, words, hint) => h('label', { class: 'choice' },
  h('input', { type: 'radio', name, value, checked }), h('span', {}, words, hint && h('span', { class: 'hint' }, hint)));

function earlierWords({ granted, declared, version, at }) {
  const was = granted.length > 0 ? ['you granted ', theirs(granted.join(', '))] : 'you granted nothing of it';
  return [was, ' on ', when(at), declared.length > 0 && [', when version ', theirs(version ?? '?'), ' asked for ', theirs(declared.join(', '))]];
}

async function grant(plugin, request, data) {
  const typed = (data.get('typed_name') ?? '').trim();
  if (request.risk === 'high' && typed !== (plugin.name ?? plugin.alias)) {
    throw new Invalid('typed_name', 'The name that you typed is not the plugin’s own name.');
  }
  const scope = data.get('extent') === 'narrow' ? (data.get('scope') ?? '').trim() : request.scope;
  if (data.get('extent') === 'narrow' && !scope) throw new Invalid('scope', 'Say what of it you grant.');
  const until = data.get('until');
  if (data.get('lasts') === 'until' && !until) throw new Invalid('until', 'Choose the last day.');
  return tell({ 'plugin-grant': {
    plugin: plugin.alias,
    grant: scope ? `${request.capability}=${scope}` : request.capability,
    lasts: data.get('lasts') === 'until' ? { until: `${until}T23:59:59Z` } : data.get('lasts'),
    typed_name: request.risk === 'high' ? typed : null,
  } });
}

async function deny(plugin, capability) {
  await tell({ 'plugin-revoke': { plugin, capability } });
  return 'denied';
}

/** Asks whether to take a capability away. */
export async function askRevoke(plugin, request) {
  const { capability } = request;
  const answer = await ask({
    title: ['Take ', visible(capability), ' away from ', theirs(plugin.alias), '?'],
    confirm: 'Revoke',
    tone: 'danger-solid',
    onSubmit: () => deny(plugin.alias, capability),
    body: () => [h('p', {}, `It can no longer ${does(capability)}, at once: what it does with it now is ended.`),
      h('p', {}, 'It stays so, also for later versions, until you grant it again.')],
  });
  if (answer) say(visible(capability), ' was taken away from ', theirs(plugin.alias), '.');
}

/** A capability that is asked for: what it is and how risky. */
export const requestHead = (request) => h('div', { class: 'request-head' }, h('span', { class: 'tile' }, icon(request.capability)),
  h('div', {}, h('h3', {}, visible(request.capability)), h('p', { class: 'hint' }, `May ${does(request.capability)}`)), riskBadge(request.risk));
