// Protection: the walls around plugins, the state of the daemon and its audit log, and inputs in trouble.

import { h } from './dom.js';
import { icon } from './icons.js';
import { badge, facts, notice, refusal, skeleton } from './parts.js';
import { known } from './state.js';
import { count, groups, number, span, theirs, visible } from './text.js';

export const title = () => 'Protection';

export const reads = () => ['status'];

export function view() {
  const { data: status, error } = known('status');
  if (error && !status) return refusal(error);
  if (!status) return skeleton();
  const both = status.walls.includes('webassembly') && status.walls.includes('process');
  const unwritten = status.unkept_denials ?? [];
  const unused = (status.inputs ?? []).flatMap(troubles);
  return [
    unwritten.length > 0 && notice('bad', 'warning', `${count(unwritten.length, 'revocation')} could not be written.`,
      h('p', {}, 'What was revoked stays so until the daemon ends, and after that where the next start could be told. Make room on the disk, or see what keeps the files from being written.'),
      h('ul', {}, unwritten.map((one) => h('li', {}, theirs(one))))),
    unused.length > 0 && notice('wait', 'warning', 'Not all that comes in can be used.', h('ul', {}, unused)),
    both ? notice('good', 'trusted', 'Both walls stand around every plugin.', h('p', {}, 'What breaks out of the first is in front of the second.'))
      : notice('wait', 'warning', 'Only one wall stands.', h('p', {}, 'This machine does not offer all that the second wall needs. See the manual, Isolation.')),
    h('div', { class: 'walls' },
      wall('WebAssembly', 'A plugin computes in memory of its own. It has no way to name a file, a host or another plugin but those that you granted.', [
        ['A memory of its own', status.walls.includes('webassembly')], ['A budget of time, fuel and memory', status.walls.includes('webassembly')]]),
      wall('Process', 'Each plugin runs in a process that the operating system confines, should the first wall ever have a hole.', [
        [status.landlock.abi > 0 ? `Files closed by landlock, version ${status.landlock.abi}` : 'Files closed by landlock', status.landlock.abi > 0],
        ['System calls filtered by seccomp', status.seccomp],
        ['A user namespace of its own', status.user_namespace],
        ['A network namespace of its own', status.network_namespace],
        ['A root directory of its own', status.own_root]])),
    status.programs?.available === false && notice('wait', 'warning', 'Plugins cannot run programs here.', h('p', {}, theirs(status.programs.why))),
    h('div', { class: 'columns even' },
      panel('audit', 'Audit log', badge(status.audit.failures > 0 ? 'bad' : 'good', status.audit.failures > 0 ? 'warning' : 'check',
        status.audit.failures > 0 ? `${count(status.audit.failures, 'record')} could not be written` : 'Every record was written'), [
        ['Records since the start', number(status.audit.records)],
        ['Number of the last', number(status.audit.sequence)],
        ['Chain', h('span', { class: 'digits' }, groups(status.audit.chain))],
        ['File', theirs(status.audit.file)],
      ]),
      panel('daemon', 'Daemon', badge('quiet', 'running', `Up ${span(status.uptime_seconds)}`), [
        ['Version', theirs(status.version)],
        ['Process', String(status.pid)],
        ['Plugins', `${number(status.plugins.running)} of ${number(status.plugins.total)} running`],
        ['Events', `${number(status.events.dispatched)} dispatched, ${number(status.events.refused)} refused, ${number(status.events.coalesced)} merged`],
        ['Configuration', theirs(status.config_file)],
        ['Socket', theirs(status.socket)],
      ])),
  ];
}

/** Why an input does not hand on everything that arrives. */
function troubles({ name, state, why, damage, dropped }) {
  const causes = Object.entries(dropped ?? {}).map(([cause, times]) => `${number(times)} ${visible(cause)}`);
  return [[visible(state), why], ['damaged', damage], ['dropped', causes.join(', ')]].filter(([, what]) => what)
    .map(([word, what]) => h('li', {}, theirs(name), ` ${word}: `, theirs(what)));
}

const wall = (name, words, parts) => h('section', { class: 'panel wall' }, h('div', { class: 'wall-head' }, h('span', { class: 'tile' }, icon('protection')), h('h2', {}, name)),
  h('p', { class: 'hint' }, words),
  h('ul', { class: 'checks' }, parts.map(([part, stands]) => h('li', { class: stands ? 'good' : 'bad' }, icon(stands ? 'check' : 'cross'),
    h('span', {}, visible(part), h('span', { class: stands ? 'unseen' : 'hint' }, stands ? ': stands' : 'not on this machine'))))));

const panel = (id, name, state, pairs) => h('section', { class: 'panel', 'aria-labelledby': id }, h('h2', { id }, name), h('p', {}, state), facts(pairs));
