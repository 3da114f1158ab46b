// Accepting another plugin than the one that its alias is bound to.

import { tell } from './daemon.js';
import { ask } from './dialog.js';
import { h } from './dom.js';
import { facts, notice } from './parts.js';
import { say } from './toast.js';
import { groups, theirs } from './text.js';

/**
 * Asks whether to accept the plugin that is there now. The answer carries what is shown here, whatever has changed meanwhile.
 * @param {{alias: string, change: any}} plugin
 */
export async function askAccept({ alias, change }) {
  const { shown, before, now, digest, trust, ignored, granted, denied, differences } = change;
  const answer = await ask({
    title: ['Is this the plugin that you want as ', theirs(alias), '?'],
    confirm: 'Accept',
    tone: 'danger-solid',
    cancel: 'Not now',
    onSubmit: () => tell({ 'plugin-accept': { plugin: alias, shown } }),
    body: () => [
      notice('wait', 'waiting', 'It is another plugin than before under this name.',
        h('p', {}, 'Nothing of it runs until you accept it. Accept it only if you put it there, and know why it has changed.')),
      // It can have the focus, so that the keyboard can scroll a long list.
      h('section', { class: 'changes', tabindex: '0', 'aria-labelledby': 'accept-differences' }, h('h3', { id: 'accept-differences' }, 'What is different'),
        h('ul', {}, differences.map((difference) => h('li', {}, theirs(difference))))),
      facts([
        ['Until now', plugin(before)],
        ['Now', plugin(now)],
        ['Vouched for by', theirs(trust)],
        ['Its signature is ignored', ignored && theirs(ignored)],
        ['Digest', h('span', { class: 'digits' }, groups(digest))],
        ['It gets', granted.length > 0 && ['what the configuration grants: ', theirs(granted.join(', '))]],
        ['It stays without', denied.length > 0 && theirs(denied.join(', '))],
      ]),
    ],
  });
  if (answer) say(theirs(alias), ' is ', theirs(now.name), ' from now on.');
}

const plugin = ({ name, version, publisher, words }) => [theirs(name), version && [' ', theirs(version)],
  publisher ? [', signed by ', h('span', { class: 'digits' }, groups(publisher)), words && h('p', { class: 'hint' }, theirs(words))] : ', unsigned'];
