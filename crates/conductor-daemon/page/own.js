// What is a plugin's own: its settings as a form, and the secrets that it uses and never gets.

import { tell } from './daemon.js';
import { ask, Invalid } from './dialog.js';
import { h } from './dom.js';
import { badge, button, facts, notice, refusal, trustBadge } from './parts.js';
import { changed, failed } from './state.js';
import { attempt, say } from './toast.js';
import { theirs, visible, when } from './text.js';

/** For each plugin, whether its form is being saved, and what was wrong. */
const forms = new Map();

/** The settings that a plugin declares, as a form. */
export function settings(plugin) {
  if (!plugin.settings?.length) return null;
  const form = forms.get(plugin.alias) ?? { busy: false, error: null };
  forms.set(plugin.alias, form);
  return h('section', { class: 'panel', 'aria-labelledby': 'settings' }, h('h2', { id: 'settings' }, 'Settings'),
    h('form', { class: 'settings', novalidate: true, onsubmit: (event) => save(event, plugin, form) },
      plugin.settings.map((setting, place) => field(plugin, setting, `setting-${place}`)),
      h('div', { 'aria-live': 'polite' }, form.error && refusal(form.error)),
      button(form.busy ? 'Saving…' : 'Save', null, { kind: 'primary', type: 'submit', 'aria-disabled': form.busy && 'true' })));
}

function field(plugin, setting, id) {
  const hints = [setting.description && theirs(setting.description), setting.range && theirs(setting.range), setting.secret && (setting.is_set ? 'It is set, and not shown.' : 'It is not shown.'), hidden(setting)].filter(Boolean);
  const described = { id, name: setting.name, 'aria-describedby': hints.length > 0 && `${id}-hint` };
  return h('div', { class: 'field', key: visible(setting.name) },
    h('label', { for: id }, theirs(setting.name)),
    control(setting, described),
    hints.length > 0 && h('p', { class: 'hint', id: `${id}-hint` }, hints.map((hint, place) => [place > 0 && '; ', hint])),
    setting.is_set && button('Back to its default', () => attempt(() => set(plugin, setting, null), theirs(setting.name), ' is at its default.'),
      { kind: 'small', 'aria-label': `Put ${visible(setting.name)} back to its default` }));
}

function control(setting, described) {
  const text = shownAs(setting);
  const options = optionsOf(setting);
  if (options) {
    return h('select', described, text === '' && h('option', { value: '', selected: true, key: '' }, 'not set'),
      options.map((option, place) => h('option', { value: String(place), selected: option === text, key: `=${place}` }, visible(option))));
  }
  const type = setting.secret ? 'password' : 'text';
  const mode = { integer: 'numeric', number: 'decimal' }[setting.type];
  return h('input', { ...described, type, inputmode: mode, value: text, maxlength: setting.max_length && String(setting.max_length), autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' });
}

/** The value in a field, where the field shows another text than it holds: the value may be the plugin's. */
const hidden = (setting) => !setting.secret && !optionsOf(setting) && visible(shownAs(setting)) !== shownAs(setting)
  && ['Its value has characters that are not seen: ', theirs(shownAs(setting))];

/** What can be chosen for a setting, if it is not typed. The field has the place of each, because it is the plugin's text. */
const optionsOf = (setting) => ({ bool: ['true', 'false'], choice: setting.choices }[setting.type]);

/** What was typed or chosen for a setting. */
function entered(setting, data) {
  const value = data.get(setting.name);
  return value === '' ? value : optionsOf(setting)?.[Number(value)] ?? value;
}

/** The value of a setting as text. */
const shownAs = (setting) => (setting.value === null || setting.value === undefined ? '' : String(setting.value));

const set = (plugin, setting, value) => tell({ 'plugin-set': { plugin: plugin.alias, setting: setting.name, value } });

async function save(event, plugin, form) {
  event.preventDefault();
  if (form.busy) return;
  const data = new FormData(event.target);
  const other = plugin.settings.filter((setting) => entered(setting, data) !== shownAs(setting));
  Object.assign(form, { busy: true, error: null });
  changed();
  try {
    for (const setting of other) await set(plugin, setting, entered(setting, data));
    if (other.length > 0) say('Saved. ', theirs(plugin.alias), ' has it from its next call on.');
    else say('Nothing was different.');
  } catch (error) {
    failed(error);
    form.error = error;
  }
  form.busy = false;
  changed();
}

/** The secrets that a plugin declares. */
export function secrets(plugin) {
  if (!plugin.secrets?.length) return null;
  return h('section', { class: 'panel', 'aria-labelledby': 'secrets' }, h('h2', { id: 'secrets' }, 'Secrets'),
    h('p', { class: 'hint' }, 'It uses them, and never gets them: they go to their hosts only.'),
    h('ul', { class: 'requests' }, plugin.secrets.map((secret) => secretRow(plugin, secret))));
}

function secretRow(plugin, secret) {
  const name = visible(secret.name);
  const label = (word) => ({ 'aria-label': `${word} ${name}` });
  const entered = secret.kept_in !== null;
  const places = { 'secret-service': 'the keyring of your desktop', file: 'a file that only you can read' };
  return h('li', { key: name }, h('div', { class: 'request-head' }, h('strong', {}, theirs(secret.name))),
    facts([
      ['Why', secret.reason ? ['“', theirs(secret.reason), '”'] : h('span', { class: 'scope-none' }, 'it gives no reason')],
      ['Goes to', theirs((entered ? secret.confirmed : secret.hosts).join(', '))],
      ['Not confirmed', secret.waiting.length > 0 ? theirs(secret.waiting.join(', ')) : null],
      ['Kept in', entered ? places[secret.kept_in] ?? visible(secret.kept_in) : null],
      ['Entered', secret.set_at && when(secret.set_at, 'both')],
    ]),
    h('div', { class: 'request-foot' },
      !entered ? badge('quiet', 'minus', 'Not entered') : secret.waiting.length > 0 ? badge('wait', 'waiting', 'Needs your approval') : badge('good', 'check', 'Entered'),
      h('span', { class: 'buttons' },
        entered && button('Remove', () => attempt(() => tell({ 'plugin-secret-remove': { plugin: plugin.alias, secret: secret.name } }), theirs(secret.name), ' was removed.'), { kind: 'small danger', ...label('Remove') }),
        secret.waiting.length > 0 && button('Confirm hosts…', () => askHosts(plugin, secret), { kind: 'small primary', ...label('Confirm hosts of') }),
        button(entered ? 'Replace…' : 'Enter…', () => askSecret(plugin, secret), { kind: `small ${entered ? '' : 'primary'}`, ...label(entered ? 'Replace' : 'Enter') }))));
}

/** What the user decides about: whose secret it is, and who gets it. */
const meant = (plugin, secret) => [
  notice('wait', 'warning', ['It goes to ', theirs(secret.hosts.join(', '))], h('p', {}, 'These hosts get it, and can do with it whatever they like. The plugin never gets it.')),
  facts([
    ['Its reason', secret.reason ? ['“', theirs(secret.reason), '”'] : h('span', { class: 'scope-none' }, 'it gives none')],
    ['Vouched for by', trustBadge(plugin.trust_level, plugin.publisher)],
  ]),
];

async function askSecret(plugin, secret) {
  const answer = await ask({
    title: ['Secret ', theirs(secret.name), ' for ', theirs(plugin.alias)],
    confirm: 'Keep it, and let it go to these hosts',
    onSubmit: (data) => {
      const value = data.get('secret');
      if (!value) throw new Invalid('secret', 'Type or paste the secret.');
      return tell({ 'plugin-secret-set': { plugin: plugin.alias, secret: secret.name, shown: secret.id, value } });
    },
    body: () => [meant(plugin, secret),
      h('div', { class: 'field' }, h('label', { for: 'secret-value' }, 'Secret'),
        h('input', { id: 'secret-value', name: 'secret', type: 'password', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', autofocus: true }))],
  });
  if (answer) say(theirs(secret.name), ' is kept.');
}

async function askHosts(plugin, secret) {
  const answer = await ask({
    title: ['Let ', theirs(secret.name), ' go to further hosts?'],
    confirm: 'Confirm these hosts',
    cancel: 'Not now',
    onSubmit: () => tell({ 'plugin-secret-confirm': { plugin: plugin.alias, secret: secret.name, shown: secret.id } }),
    body: () => meant(plugin, secret),
  });
  if (answer) say('The hosts of ', theirs(secret.name), ' are confirmed.');
}
