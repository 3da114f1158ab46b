// What capabilities mean, in plain words.

import { h } from './dom.js';
import { icon } from './icons.js';
import { riskBadge } from './parts.js';
import { theirs, visible } from './text.js';

/** What each capability lets a plugin do, what could happen, and how a narrower scope looks. */
const CAPABILITIES = {
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
    narrower: '/usr/bin/convert;args=cover.png,cover-*;seconds=5;confined=yes',
  },
  SystemControl: {
    does: 'control this computer',
    consequence: 'It can do these things to your desktop at any time it is called: change the volume, press media keys, show messages, lock the screen, open pages.',
    narrower: 'notify',
  },
};

/** The entry of a capability, or a general one for a capability that is unknown here. */
export const meaning = (capability) => CAPABILITIES[capability] ?? { does: 'use it', consequence: 'It gets this capability.', narrower: '' };

/** The words for a capability, after "may" or "wants to". */
export const does = (capability) => meaning(capability).does;

/** A scope for people to read. */
export const scopeOf = (scope) => (scope ? theirs(scope, 'scope') : h('span', { class: 'scope-none' }, 'everything of it'));

/** The heading of a request: the capability, what it lets a plugin do, and its risk. */
export const requestHead = (request) => h('div', { class: 'request-head' }, h('span', { class: 'tile' }, icon(request.capability)),
  h('div', {}, h('h3', {}, visible(request.capability)), h('p', { class: 'hint' }, `May ${does(request.capability)}`)), riskBadge(request.risk));
