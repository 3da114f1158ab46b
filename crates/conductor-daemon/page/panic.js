// The button that silences everything, on every view and in every dialog, and what is said while plugins do nothing.

import { tell } from './daemon.js';
import { h } from './dom.js';
import { icon } from './icons.js';
import { button, notice } from './parts.js';
import { known, refresh } from './state.js';
import { attempt } from './toast.js';
import { visible } from './text.js';

/** The list of plugins says as well whether all of them stand still. */
const READS = 'plugins';

/** Silences everything. */
export const panicButton = () => h('button', { type: 'button', class: 'button small danger-solid panic', title: 'Silences outputs, sounds and programs; plugins do nothing until they are resumed', onclick: panic },
  icon('quarantined'), h('span', {}, 'Panic'));

async function panic() {
  await attempt(async () => {
    const { unreached } = await tell('panic');
    if (unreached.length > 0) {
      throw Object.assign(new Error(`Plugins are paused, but these outputs take no messages: ${unreached.map(visible).join(', ')}`),
        { hint: 'What sounds there is to be ended at the instrument.' });
    }
  }, 'Everything is silenced.');
  refresh(READS);
}

async function resume() {
  await attempt(() => tell('resume'), 'Plugins go on.');
  refresh(READS);
}

async function leaveSafeMode() {
  await attempt(() => tell({ safe: { on: false } }), 'The plugins are loaded again.');
  refresh(READS);
}

/** Why plugins do nothing, if that is so for all of them, each with the way out. */
export function standstill() {
  const { paused, safe } = known(READS).data ?? {};
  return [
    paused && h('div', { class: 'standstill', key: 'paused' }, notice('bad', 'backing-off', 'Everything is silenced, and plugins do nothing.', h('p', {}, 'Events that come meanwhile are not kept.'),
      button('Resume', resume, { kind: 'primary' }))),
    safe && h('div', { class: 'standstill', key: 'safe' }, notice('wait', 'protection', 'Safe mode: no plugin is loaded.', h('p', {}, 'Inputs, this page and the command line work.'),
      button('Leave safe mode', leaveSafeMode))),
  ];
}
