// Text of strangers, before it is shown.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bytes, duration, groups, pretty, span, visible } from '../../crates/conductor-daemon/page/text.js';

test('nothing that moves, hides or turns around text gets through', () => {
  const text = 'a\u{1b}[2Jb\nc\rd\te\u{9b}f\u{202e}g\u{2066}h\u{200b}i\u{7f}j\u{e0041}k\0';
  assert.equal(visible(text), String.raw`a\u{1b}[2Jb\nc\rd\te\u{9b}f\u{202e}g\u{2066}h\u{200b}i\u{7f}j\u{e0041}k\u{0}`);
  assert.equal(visible('x\ud800y'), String.raw`x\u{d800}y`);
  assert.equal(visible(`a${'\u0301'.repeat(6)}`), `a${'\u0301'.repeat(4)}${String.raw`\u{301}\u{301}`}`);
});

test('what looks like nothing is seen', () => {
  for (const c of '\u{2800}\u{1d159}\u{13430}\u{110bd}\u{600}\u{fffc}\u{ad}\u{2028}\u{a0}\u{3000}\u{3164}\u{e000}\u{378}\u{fe0f}') {
    assert.equal(visible(`a${c}`), `a\\u{${c.codePointAt(0).toString(16)}}`);
  }
});

test('ordinary text stays as it is', () => {
  for (const text of ['Zoë Ångström <zoë@example.org> 東京 ✓ \\n', 'שלום', '🎹', '']) assert.equal(visible(text), text);
  assert.equal(visible(null), '');
  assert.equal(visible('x'.repeat(5000)).length, 4097);
});

test('escaped JSON means the same', () => {
  const value = { 'a\u{202e}': 'x\u{9b}y\u{e0041}\n', b: [1, 'é'] };
  const text = pretty(value);
  assert.doesNotMatch(text, /[\u{202e}\u{9b}\u{e0041}]/u);
  assert.deepEqual(JSON.parse(text), value);
});

test('numbers are read without counting digits', () => {
  assert.equal(bytes(10 * 1024 * 1024), '10 MiB');
  assert.equal(bytes(1), '1 bytes');
  assert.equal(duration(812), '812 µs');
  assert.equal(duration(5_000_000), '5 s');
  assert.equal(span(7424), '2 h 3 min');
  assert.equal(groups('a1b2c3d4'), 'a1b2 c3d4');
});
