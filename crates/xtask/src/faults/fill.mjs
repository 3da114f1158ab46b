// Appends records to an audit log until less than one fits into it: node fill.mjs FILE BYTES.
// Each is tied to the chain as the manual says: SHA-256 over the prefix, the value of the line before, and the line without its
// own value.

import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';

const [file, bytes] = process.argv.slice(2);
const before = readFileSync(file);
const last = JSON.parse(before.toString('utf8').trimEnd().split('\n').at(-1));
let { seq, chain } = last;
let left = Number(bytes) - before.length - 16;
const lines = [];

function record(text) {
  seq += 1;
  const open = `{"version":1,"time":"2026-01-01T00:00:00Z","event":"filler","text":"${text}","seq":${seq}`;
  const hash = createHash('sha256').update('conductor audit v1\n').update(Buffer.from(chain, 'hex'));
  chain = hash.update(`${open}}`).digest('hex');
  return `${open},"chain":"${chain}"}\n`;
}

while (left > 1000) {
  const line = record('x'.repeat(Math.min(60_000, left - 300)));
  lines.push(line);
  left -= line.length;
}
appendFileSync(file, lines.join(''));
