// Trusted keys: whose plugins run here. A key is added with its fingerprint confirmed, and can be revoked.

import { tell } from './daemon.js';
import { Invalid, ask } from './dialog.js';
import { h } from './dom.js';
import { icon } from './icons.js';
import { badge, button, empty, facts, fingerprint, notice, refusal, skeleton } from './parts.js';
import { known, refresh } from './state.js';
import { say } from './toast.js';
import { groups, theirs, visible, when } from './text.js';

export const title = () => 'Trusted keys';

export const reads = () => ['keys'];

export function view() {
  const { data, error } = known('keys');
  if (error && !data) return refusal(error);
  if (!data) return skeleton();
  const add = button([icon('keys'), 'Trust a key…'], () => askTrust({}), { kind: 'primary' });
  if (data.keys.length === 0) {
    return empty('keys', 'No key is trusted yet', h('p', {}, 'Plugins that a trusted key signed may run. Get a key and its fingerprint from the publisher: from their page, in person, over the telephone.'), add);
  }
  return [
    h('div', { class: 'head-row' }, h('p', { class: 'lead' }, 'Plugins that one of these keys signed may run.'), add),
    h('ul', { class: 'cards' }, data.keys.map(card)),
  ];
}

const TONES = { trusted: ['good', 'trusted', 'Trusted'], expired: ['wait', 'expired', 'Expired'], revoked: ['bad', 'revoked', 'Revoked'] };

function card(key) {
  const [tone, iconName, words] = TONES[key.state] ?? ['quiet', 'unsigned', visible(key.state)];
  return h('li', { class: 'card key', key: key.public_key },
    h('div', { class: 'key-head' }, h('h2', {}, theirs(key.name ?? 'A key without a name')), badge(tone, iconName, words)),
    fingerprint(key),
    facts([
      ['Email', key.email && theirs(key.email)],
      ['Trusted since', key.added_at && when(key.added_at)],
      ['Until', key.expires_at && when(key.expires_at)],
      ['Trusted to', key.role && ({ publish: 'publish', cosign: 'cosign', both: 'publish and cosign' }[key.role] ?? visible(key.role))],
      ['Only for', key.plugins?.length > 0 && theirs(key.plugins.join(', '))],
      ['Highest risk', key.max_risk && visible(key.max_risk)],
      ['Public key', h('span', { class: 'digits' }, groups(key.public_key))],
      ['Revoked', key.revoked && [when(key.revoked.at), key.revoked.reason && [': ', theirs(key.revoked.reason)]]],
    ].map(([name, value]) => [name, value || null])),
    key.state !== 'revoked' && h('div', { class: 'buttons' }, button('Revoke…', () => askRevokeKey(key), { kind: 'small danger', 'aria-label': `Revoke the key ${visible(key.name ?? '')}` })));
}

/**
 * Asks for a key and for the fingerprint that its publisher gave. The fingerprint is typed and not shown, so that nobody
 * can confirm it without comparing.
 * @param {{name?: string | null, public_key?: string}} given
 */
export async function askTrust(given) {
  const answer = await ask({
    title: 'Trust a key',
    confirm: 'Trust it',
    onSubmit: trust,
    body: () => [
      notice('quiet', 'trusted', 'Every plugin that this key signs may run here.', h('p', {}, 'Ask the publisher for the fingerprint by another way than the one by which you got the key.')),
      field('trust-name', 'name', 'Name', { value: given.name ?? '', autofocus: !given.public_key }, 'What you call the publisher.'),
      field('trust-key', 'public_key', 'Public key', { value: given.public_key ?? '', readonly: Boolean(given.public_key) }, '64 hex digits, as in the file that ends with .public.'),
      field('trust-fingerprint', 'fingerprint', 'Fingerprint, as the publisher tells it', { autofocus: Boolean(given.public_key) }, 'Twelve words, or 64 hex digits.'),
      h('div', { class: 'field' }, h('label', { for: 'trust-until' }, 'Until, if not for ever'), h('input', { id: 'trust-until', type: 'date', name: 'expires_at' })),
    ],
  });
  if (!answer) return false;
  refresh('keys');
  say('The key is trusted.');
  return true;
}

const field = (id, name, words, props, hint) => h('div', { class: 'field' }, h('label', { for: id }, words),
  h('input', { id, name, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', 'aria-describedby': `${id}-hint`, ...props }),
  h('p', { class: 'hint', id: `${id}-hint` }, hint));

async function trust(data) {
  const text = (name) => (data.get(name) ?? '').trim();
  for (const [name, message] of [['name', 'Give it a name.'], ['public_key', 'Paste the public key.'], ['fingerprint', 'Type the fingerprint that the publisher told you.']]) {
    if (!text(name)) throw new Invalid(name, message);
  }
  const expires = text('expires_at');
  return tell({ 'trust-add': {
    name: text('name'),
    public_key: text('public_key'),
    fingerprint: text('fingerprint'),
    ...(expires ? { expires_at: `${expires}T23:59:59Z` } : {}),
  } });
}

async function askRevokeKey(key) {
  const answer = await ask({
    title: ['Revoke the key ', theirs(key.name ?? ''), '?'],
    confirm: 'Revoke',
    tone: 'danger-solid',
    onSubmit: (data) => tell({ 'trust-revoke': { public_key: key.public_key, reason: data.get('reason').trim() || undefined, kind: data.get('kind') } }),
    body: () => [
      notice('bad', 'warning', 'Plugins that it signed are stopped at once, in the middle of a call if there is one.'),
      h('fieldset', {}, h('legend', {}, 'What happened'),
        choice('compromised', true, 'It may be in other hands', 'What it passed on to other keys is doubted as well.'),
        choice('superseded', false, 'It is no longer used', 'Keys that it passed on to stay good.')),
      field('revoke-reason', 'reason', 'Reason', {}, 'For whoever looks at this later.'),
    ],
  });
  if (!answer) return;
  refresh('keys');
  say('The key ', theirs(key.name ?? ''), ' is revoked.');
}

const choice = (value, checked, words, hint) => h('label', { class: 'choice' }, h('input', { type: 'radio', name: 'kind', value, checked }),
  h('span', {}, words, h('span', { class: 'hint' }, hint)));
