// Installing: choose a module and its signature, see everything about the plugin before any of it runs, then decide.

import { discard, tell, upload } from './daemon.js';
import { requestHead, scopeOf } from './capabilities.js';
import { h } from './dom.js';
import { icon } from './icons.js';
import { badge, button, facts, fingerprint, notice, refusal, trustBadge } from './parts.js';
import { changed, failed, known } from './state.js';
import { say } from './toast.js';
import { bytes, groups, theirs } from './text.js';
import { askTrust } from './view-keys.js';

const begun = () => ({ plugin: /** @type {File | null} */ (null), signature: /** @type {File | null} */ (null),
  rotation: /** @type {File | null} */ (null), alias: '', over: false,
  busy: false, error: null, staged: null, preview: null, isOther: false });

let form = begun();

export const title = () => 'Install';

export const reads = () => ['plugins'];

export function view() {
  return [
    h('p', { class: 'lead' }, 'Choose a plugin and its signature. You see who made it and what it asks for before anything of it runs.'),
    form.preview ? decide(form.preview) : choose(),
  ];
}

function choose() {
  const drop = (event) => {
    event.preventDefault();
    form.over = false;
    take([...event.dataTransfer.files]);
  };
  return h('form', { class: 'panel choose', onsubmit: preview },
    h('div', { class: `drop ${form.over ? 'over' : ''}`, ondrop: drop, ondragover: over, ondragleave: leave },
      icon('install'),
      h('p', {}, h('strong', {}, 'Drop the files here')),
      h('p', { class: 'hint' }, 'or choose them'),
      h('div', { class: 'files' }, file('plugin', 'Plugin', '.wasm', form.plugin), file('signature', 'Signature', '.sig', form.signature),
        file('rotation', 'Rotations, if its key has changed', '.json', form.rotation))),
    h('div', { class: 'field' }, h('label', { for: 'alias' }, 'Your name for it'),
      h('input', { id: 'alias', name: 'alias', value: form.alias, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', 'aria-describedby': 'alias-hint',
        oninput: (event) => {
          form.alias = event.target.value;
          changed();
        } }),
      h('p', { class: 'hint', id: 'alias-hint' }, taken() ? ['You have a plugin of this name: the new one would take its place.'] : 'Mappings call the plugin by this name.')),
    form.error && refusal(form.error),
    h('div', { class: 'buttons' }, button(form.busy ? 'Reading…' : 'Look at it', null, { kind: 'primary', type: 'submit', 'aria-disabled': form.busy && 'true' }),
      !form.signature && form.plugin && h('p', { class: 'hint' }, 'Without a signature nobody vouches for it.')));
}

const taken = () => (known('plugins').data?.plugins ?? []).some((plugin) => plugin.alias === form.alias);

function over(event) {
  event.preventDefault();
  if (form.over) return;
  form.over = true;
  changed();
}

function leave(event) {
  if (event.target !== event.currentTarget) return;
  form.over = false;
  changed();
}

const file = (name, words, accept, chosen) => h('label', { class: 'file' },
  h('input', { type: 'file', name, accept, onchange: (event) => take([...event.target.files], name) }),
  icon(chosen ? 'check' : 'file'),
  h('span', {}, h('strong', {}, `${words} (${accept})`), h('span', { class: 'hint' }, chosen ? [theirs(chosen.name), `, ${bytes(chosen.size)}`] : 'Choose a file')));

function take(files, as) {
  for (const one of files) {
    if (as === 'rotation' || (!as && one.name.endsWith('.rotation.json'))) form.rotation = one;
    else if (as === 'signature' || (!as && one.name.endsWith('.sig'))) form.signature = one;
    else form.plugin = one;
  }
  if (form.plugin && !form.alias) form.alias = form.plugin.name.replace(/\.wasm$/, '').toLowerCase().replace(/[^a-z0-9_-]+/g, '-');
  form.error = null;
  changed();
}

async function preview(event) {
  event.preventDefault();
  if (form.busy) return;
  if (!form.plugin || !form.alias) {
    form.error = new Error(form.plugin ? 'Give it a name.' : 'Choose the plugin’s .wasm file.');
    changed();
    return;
  }
  await work(async () => {
    takeBack();
    form.staged = await upload(form.plugin, { signature: form.signature, rotation: form.rotation });
    form.preview = await tell({ 'plugin-preview': { plugin: form.alias, path: form.staged.path } });
  });
  document.getElementById('preview')?.focus();
}

async function install() {
  const { alias } = form;
  await work(async () => {
    let installed;
    try {
      installed = await tell({ 'plugin-install': { plugin: alias, path: form.staged.path, shown: form.preview.id } });
    } catch (error) {
      if (error.cause !== 'not-as-shown') throw error;
      form.preview = await tell({ 'plugin-preview': { plugin: alias, path: form.staged.path } });
      form.isOther = true;
      throw new Error('Something of this has changed since it was shown, so nothing was installed. What you see now is how it is now.');
    }
    takeBack();
    form = begun();
    say(theirs(alias), installed.waiting.includes(alias) ? ' is in its place, and needs your approval.' : ' is installed.');
    location.hash = `#/plugins/${encodeURIComponent(alias)}`;
  });
}

async function work(what) {
  Object.assign(form, { busy: true, error: null });
  changed();
  try {
    await what();
  } catch (error) {
    failed(error);
    form.error = error;
  }
  form.busy = false;
  changed();
}

/** Deletes the uploaded files from the daemon. */
function takeBack() {
  if (form.staged) discard(form.staged.upload);
  form.staged = null;
}

function lookedAgain() {
  Object.assign(form, { isOther: false, error: null });
  changed();
}

function startOver() {
  takeBack();
  form = begun();
  changed();
}

async function trustPublisher(publisher) {
  if (await askTrust({ name: publisher.name, public_key: publisher.public_key })) {
    await work(async () => {
      form.preview = await tell({ 'plugin-preview': { plugin: form.alias, path: form.staged.path } });
    });
  }
}

function decide(preview) {
  const { publisher, installed, waits } = preview;
  return h('section', { class: 'panel preview', 'aria-labelledby': 'preview' },
    h('div', { class: 'preview-head' },
      h('h2', { id: 'preview', tabindex: '-1' }, theirs(preview.name ?? form.alias), ' ', preview.version && h('span', { class: 'hint' }, theirs(preview.version))),
      h('div', { class: 'badges' }, trustBadge(preview.trust_level, publisher),
        preview.accepted ? waits ? badge('wait', 'waiting', 'Would need your approval') : badge('good', 'check', 'Would be loaded') : badge('bad', 'refused', 'Would be refused'))),
    preview.description && h('p', { class: 'lead' }, theirs(preview.description)),
    !preview.accepted && notice('bad', 'refused', theirs(preview.why ?? 'It would not be loaded.'), preview.hint && h('p', {}, theirs(preview.hint)),
      publisher?.public_key && preview.trust_level === 'self-signed' && button('Trust this publisher…', () => trustPublisher(publisher), { kind: 'small' })),
    waits && notice('wait', 'waiting', 'It is another plugin than before under this name.',
      h('p', {}, 'When it is installed, nothing of it runs until you accept it.'),
      h('ul', {}, waits.differences.map((difference) => h('li', {}, theirs(difference))))),
    installed && h('section', { class: 'changes' }, h('h3', {}, 'In place of version ', theirs(installed.version ?? '?')),
      preview.changes.length > 0 ? h('ul', {}, preview.changes.map((change) => h('li', {}, theirs(change)))) : h('p', { class: 'hint' }, 'It asks for the same, from the same publisher.')),
    h('h3', {}, 'What it asks for'),
    preview.requested.length === 0 ? h('p', { class: 'hint' }, 'Nothing: it computes, and reaches nothing beyond its own memory.')
      : h('ul', { class: 'requests' }, preview.requested.map((request) => h('li', {}, requestHead(request),
        facts([['Scope', scopeOf(request.scope)], ['Why', request.reason ? ['“', theirs(request.reason), '”'] : h('span', { class: 'scope-none' }, 'it gives no reason')],
          ['When installed', request.pending ? 'needs your approval' : request.decision ? theirs(request.decision) : null]])))),
    own(preview),
    h('h3', {}, 'Who made it'),
    facts([
      ['Publisher', publisher ? [theirs(publisher.name ?? 'unknown'), publisher.email && [' ', theirs(`<${publisher.email}>`)]] : 'nobody signed it'],
      ['Fingerprint', publisher && fingerprint(publisher)],
      ['Trust', preview.trust && theirs(preview.trust)],
      ['Author, by its own word', preview.author && theirs(preview.author)],
      ['Licence', preview.license && theirs(preview.license)],
      ['Size', bytes(preview.bytes)],
      ['Digest', h('span', { class: 'digits' }, groups(preview.digest))],
    ]),
    (preview.actions ?? []).length > 0 && [h('h3', {}, 'Its actions'),
      h('dl', { class: 'actions' }, preview.actions.map((action) => h('div', {}, h('dt', {}, theirs(action.name)), h('dd', {}, action.description && theirs(action.description)))))],
    form.error && refusal(form.error),
    h('div', { class: 'buttons' },
      form.isOther ? button('I have looked at it again', lookedAgain) : button(form.busy ? 'One moment…' : installed ? ['Replace', theirs(form.alias)] : ['Install as', theirs(form.alias)], install,
        { kind: preview.accepted ? 'primary' : '', 'aria-disabled': form.busy && 'true' }),
      button('Choose another', startOver)));
}

/** The secrets and settings that a plugin declares. */
const own = ({ secrets = [], settings = [] }) => [
  secrets.length > 0 && [h('h3', {}, 'Secrets that it would use and never get'),
    h('ul', { class: 'requests' }, secrets.map((secret) => h('li', {}, h('strong', {}, theirs(secret.name)),
      facts([['Would go to', theirs(secret.hosts.join(', '))],
        ['Why', secret.reason ? ['“', theirs(secret.reason), '”'] : h('span', { class: 'scope-none' }, 'it gives no reason')]]))))],
  settings.length > 0 && [h('h3', {}, 'Its settings'),
    h('dl', { class: 'actions' }, settings.map((setting) => h('div', {}, h('dt', {}, theirs(setting.name)),
      h('dd', {}, theirs([setting.type, setting.range, setting.default !== null && `default ${setting.default}`].filter(Boolean).join(', '))),
      setting.description && h('dd', {}, '“', theirs(setting.description), '”'))))],
];
