// Granting and revoking: the dialogs that decide about a capability.

import { read, tell } from './daemon.js';
import { does, meaning, scopeOf } from './capabilities.js';
import { Invalid, ask } from './dialog.js';
import { h } from './dom.js';
import { facts, notice, riskBadge, trustBadge } from './parts.js';
import { say } from './toast.js';
import { theirs, visible, when } from './text.js';

const DURATIONS = [
  ['once', 'Once', 'for the first use that begins, whatever becomes of it'],
  ['session', 'This session', 'until the daemon ends'],
  ['until', 'Until a date', ''],
  ['always', 'Always', 'until you revoke it'],
];

/**
 * Asks whether to grant a request of a plugin. Only what the dialog shows is granted: if the plugin asks for something else by
 * then, the daemon refuses, and the dialog shows the new request and asks again.
 * @param {{alias: string, name: string | null, trust_level: string | null, publisher: any, trust: string | null}} plugin
 * @param {any} request
 */
export async function askGrant(plugin, request) {
  const { capability } = request;
  const shown = { plugin, request, isOther: false };
  const answer = await ask({
    title: ['Let ', theirs(plugin.alias), ` ${does(capability)}?`],
    confirm: 'Grant',
    tone: request.risk === 'high' ? 'danger-solid' : 'primary',
    cancel: 'Not now',
    other: request.pending && { words: 'Deny', work: () => deny(plugin.alias, capability) },
    onSubmit: (data) => grant(shown, data),
    body: ({ data, draw }) => {
      const { scope, risk, reason, earlier } = shown.request;
      const high = risk === 'high';
      const own = shown.plugin.name ?? shown.plugin.alias;
      // A capability of high risk is never granted without a scope.
      const mustNarrow = high && !scope;
      const chosen = data();
      const lasts = chosen.get('lasts') ?? (high ? 'session' : 'always');
      const narrow = mustNarrow || chosen.get('extent') === 'narrow';
      return [
        high ? notice('bad', 'warning', 'This is a high risk.', h('p', {}, meaning(capability).consequence))
          : notice(risk === 'medium' ? 'wait' : 'quiet', capability, meaning(capability).consequence),
        facts([
          ['Capability', [visible(capability), ' ', riskBadge(risk)]],
          ['Asks for', scopeOf(scope)],
          ['Its reason', reason ? ['“', theirs(reason), '”'] : h('span', { class: 'scope-none' }, 'it gives none')],
          ['Vouched for by', trustBadge(shown.plugin.trust_level, shown.plugin.publisher)],
          ['Before', earlier && earlierWords(earlier)],
        ]),
        h('fieldset', { onchange: draw }, h('legend', {}, 'How much'),
          !mustNarrow && choice('extent', 'all', !narrow, 'What it asks for'),
          choice('extent', 'narrow', narrow, mustNarrow ? 'What you name here' : 'Less than that'),
          narrow && h('div', { class: 'field indent' },
            h('label', { for: 'grant-scope' }, 'Scope'),
            h('input', { id: 'grant-scope', name: 'scope', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off',
              'aria-describedby': 'grant-scope-hint', placeholder: meaning(capability).narrower }),
            h('p', { class: 'hint', id: 'grant-scope-hint' }, `Such as ${meaning(capability).narrower}. What goes beyond what it asks for has no effect.`))),
        h('fieldset', { onchange: draw }, h('legend', {}, 'How long'),
          DURATIONS.map(([value, words, hint]) => choice('lasts', value, lasts === value, words, hint)),
          lasts === 'until' && h('div', { class: 'field indent' },
            h('label', { for: 'grant-until' }, 'Last day, in UTC'),
            h('input', { id: 'grant-until', type: 'date', name: 'until', min: new Date().toISOString().slice(0, 10) }))),
        shown.isOther && h('label', { class: 'choice' }, h('input', { type: 'checkbox', name: 'looked' }),
          h('span', {}, 'I have looked at what it asks for now')),
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

async function grant(shown, data) {
  const { plugin, request } = shown;
  if (shown.isOther && !data.get('looked')) throw new Invalid('looked', 'Look at what it asks for now, and say that you have.');
  const typed = (data.get('typed_name') ?? '').trim();
  if (request.risk === 'high' && typed !== (plugin.name ?? plugin.alias)) {
    throw new Invalid('typed_name', 'The name that you typed is not the plugin’s own name.');
  }
  const scope = data.get('extent') === 'narrow' ? (data.get('scope') ?? '').trim() : request.scope;
  if (data.get('extent') === 'narrow' && !scope) throw new Invalid('scope', 'Say what of it you grant.');
  const until = data.get('until');
  if (data.get('lasts') === 'until' && !until) throw new Invalid('until', 'Choose the last day.');
  const decision = { 'plugin-grant': {
    plugin: plugin.alias,
    shown: [request.id],
    // A bare name grants the request that was shown, not the whole capability.
    grant: scope ? `${request.capability}=${scope}` : request.capability,
    lasts: data.get('lasts') === 'until' ? { until: `${until}T23:59:59Z` } : data.get('lasts'),
    typed_name: request.risk === 'high' ? typed : null,
  } };
  try {
    return await tell(decision);
  } catch (error) {
    if (error.cause !== 'not-as-shown') throw error;
    await lookAgain(shown);
    throw new Error('What it asks for has changed since this was shown, so nothing was granted. What you see now is what it asks for now.');
  }
}

/** Makes the dialog show the current request for the capability. */
async function lookAgain(shown) {
  const { capability, scope } = shown.request;
  const plugin = await read(`plugins/${encodeURIComponent(shown.plugin.alias)}`);
  const asked = plugin.requested.filter((request) => request.capability === capability);
  const request = asked.find((one) => one.scope === scope) ?? asked.find((one) => one.pending) ?? asked[0];
  if (!request) throw new Error('It does not ask for this any more, so nothing was granted.');
  Object.assign(shown, { plugin, request, isOther: true });
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
