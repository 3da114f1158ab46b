// Text that other people wrote, and numbers for people to read.

import { h } from './dom.js';

/**
 * Control characters, format characters that reorder, hide or join the text around them, and characters that are blank or
 * invisible: the same that the command line programs escape. From the fifth on, marks that pile up on one letter are included.
 */
const DANGEROUS = new RegExp(
  '[\\p{C}\\p{Zl}\\p{Zp}\\u{34f}\\u{115f}\\u{1160}\\u{3164}\\u{ffa0}\\u{17b4}\\u{17b5}\\u{180b}-\\u{180f}\\u{2800}'
    + '\\u{fe00}-\\u{fe0f}\\u{fffc}\\u{1d159}\\u{e0000}-\\u{e0fff}]|(?! )\\p{Zs}|(?<=\\p{M}{4})\\p{M}',
  'gu',
);

/** Longest text that is shown, in UTF-16 units. */
const MAX_TEXT = 4096;

const SHORT = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The escape for a character that must not take effect. */
const escaped = (character) => SHORT[character] ?? `\\u{${character.codePointAt(0).toString(16)}}`;

/**
 * Text in which every character that is not plainly visible is written as `\u{…}`.
 * @param {unknown} text
 * @returns {string}
 */
export function visible(text) {
  const all = String(text ?? '');
  const cut = all.length > MAX_TEXT ? `${all.slice(0, MAX_TEXT)}…` : all;
  return cut.replace(DANGEROUS, escaped);
}

/**
 * Text of a stranger, set apart from the text around it: its direction is isolated, and escapes in it are marked.
 * @param {unknown} text
 * @param {string} [className]
 */
export function theirs(text, className = '') {
  const all = String(text ?? '');
  const cut = all.length > MAX_TEXT ? `${all.slice(0, MAX_TEXT)}…` : all;
  const parts = [];
  let from = 0;
  for (const match of cut.matchAll(DANGEROUS)) {
    parts.push(cut.slice(from, match.index), h('span', { class: 'escape' }, escaped(match[0])));
    from = match.index + match[0].length;
  }
  return h('bdi', { class: `theirs ${className}`.trim() }, parts, cut.slice(from));
}

/** JSON over several lines, with JSON's escapes for characters that could take effect. */
export function pretty(value) {
  const text = JSON.stringify(value, null, 2) ?? 'null';
  return text.replace(DANGEROUS, (character) => (character === '\n' ? character
    : [...Array(character.length).keys()].map((at) => `\\u${hex(character.charCodeAt(at))}`).join('')));
}

const hex = (unit) => unit.toString(16).padStart(4, '0');

const NUMBER = new Intl.NumberFormat('en');
const SHORT_NUMBER = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

/** A number with separated thousands. */
export const number = (value) => NUMBER.format(value);

/** A number, shortened if it is 10,000 or more. */
export const short = (value) => (value < 10_000 ? NUMBER.format(Math.round(value)) : SHORT_NUMBER.format(value));

/** Bytes in the unit that fits. */
export function bytes(value) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let [size, unit] = [value, 0];
  while (size >= 1024 && unit < units.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${unit === 0 || size >= 100 ? Math.round(size) : digits(size)} ${units[unit]}`;
}

/** Microseconds in the unit that fits. */
export function duration(micros) {
  if (micros < 1000) return `${Math.round(micros)} µs`;
  if (micros < 1_000_000) return `${digits(micros / 1000)} ms`;
  if (micros < 120_000_000) return `${digits(micros / 1_000_000)} s`;
  return span(Math.round(micros / 1_000_000));
}

const digits = (value) => String(Number(value.toFixed(value < 10 ? 1 : 0)));

/** Whole seconds in words. */
export function span(seconds) {
  const parts = [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const first = parts.findIndex(([size]) => seconds >= size);
  if (first < 0) return '0 s';
  return parts.slice(first, first + 2)
    .map(([size, name], place) => [Math.floor((place ? seconds % parts[first][0] : seconds) / size), name])
    .filter(([count]) => count > 0).map(([count, name]) => `${count} ${name}`).join(' ');
}

/** `1 call`, `2 calls`. */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

const DAY = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });
const DAY_AND_TIME = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const TIME = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

/** A point in time as a `<time>`. Text that is not a time is shown as it is. */
export function when(at, form = 'day') {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return theirs(at);
  const format = { day: DAY, both: DAY_AND_TIME, time: TIME }[form];
  return h('time', { datetime: time.toISOString(), title: time.toISOString() }, format.format(time));
}

/** Hex digits in groups of four, for two people to compare. */
export const groups = (digits) => visible(digits).replace(/\s/g, '').replace(/(.{4})(?=.)/g, '$1 ');
