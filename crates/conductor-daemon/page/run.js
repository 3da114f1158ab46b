// Calling an action of a plugin by hand, and the result.

import { tell } from './daemon.js';
import { h } from './dom.js';
import { badge, button, refusal } from './parts.js';
import { changed, failed } from './state.js';
import { duration, pretty, short, theirs, visible } from './text.js';

/** For each plugin, what was typed and the last result. */
const forms = new Map();

export function runByHand(plugin) {
  const form = forms.get(plugin.alias) ?? { action: null, parameters: '', busy: false, result: null, error: null };
  forms.set(plugin.alias, form);
  const actions = plugin.actions ?? [];
  const chosen = actions.find((action) => visible(action.name) === form.action) ?? actions[0];
  const callable = ['running', 'backing-off'].includes(plugin.state);
  return h('section', { class: 'panel', 'aria-labelledby': 'run' }, h('h2', { id: 'run' }, 'Actions'),
    actions.length === 0 && h('p', { class: 'hint' }, plugin.actions ? 'It has none.' : 'It names none: it takes any.'),
    actions.length > 0 && h('dl', { class: 'actions' }, actions.map((action) => h('div', {}, h('dt', {}, theirs(action.name)), h('dd', {}, action.description && theirs(action.description))))),
    callable && (actions.length > 0 || !plugin.actions) && h('form', { class: 'run', onsubmit: (event) => submit(event, plugin, form, chosen) },
      h('h3', {}, 'Run by hand'),
      h('div', { class: 'field' }, h('label', { for: 'run-action' }, 'Action'),
        actions.length > 0 ? h('select', { id: 'run-action', name: 'action', onchange: (event) => choose(form, event) },
          actions.map((action) => h('option', { key: visible(action.name), value: visible(action.name), selected: action === chosen }, visible(action.name))))
          : h('input', { id: 'run-action', name: 'action', required: true, autocomplete: 'off' })),
      h('div', { class: 'field' }, h('label', { for: 'run-parameters' }, 'Parameters, as JSON'),
        h('textarea', { id: 'run-parameters', name: 'parameters', rows: '3', spellcheck: 'false', autocapitalize: 'off', placeholder: '{}' })),
      button(form.busy ? 'Running…' : 'Run', null, { kind: 'primary', type: 'submit', 'aria-disabled': form.busy && 'true' })),
    h('div', { 'aria-live': 'polite' }, form.error && refusal(form.error), form.result && result(form.result)));
}

function choose(form, event) {
  form.action = event.target.value;
  changed();
}

async function submit(event, plugin, form, chosen) {
  event.preventDefault();
  if (form.busy) return;
  const data = new FormData(event.target);
  Object.assign(form, { busy: true, error: null, result: null });
  changed();
  try {
    const parameters = parse(data.get('parameters').trim());
    form.result = await tell({ trigger: { plugin: plugin.alias, action: chosen?.name ?? data.get('action'), parameters } });
  } catch (error) {
    failed(error);
    form.error = error;
  }
  form.busy = false;
  changed();
}

function parse(text) {
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    throw Object.assign(new Error('The parameters are not JSON.'), { hint: 'Write something like {"lines": 3}, or leave it empty.' });
  }
}

function result({ outcome, error, hint, reply, limits_refused: limits, fuel_used: fuel, micros }) {
  const well = outcome === 'ok';
  return h('div', { class: 'result' },
    h('p', {}, badge(well ? 'good' : 'bad', well ? 'check' : 'refused', theirs(outcome)), h('span', { class: 'hint' }, `${duration(micros)}, ${short(fuel)} fuel`)),
    error && h('p', {}, theirs(error)),
    hint && h('p', {}, theirs(hint)),
    limits.length > 0 && h('p', { class: 'hint' }, 'Limits that refused something: ', theirs(limits.join(', '))),
    reply !== null && reply !== undefined && h('pre', { tabindex: '0', 'aria-label': 'Reply' }, h('bdi', {}, pretty(reply))));
}
