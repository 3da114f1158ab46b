// Follows the stream of events of the daemon. Silence or the end of the stream counts as the loss of the daemon. The
// connection is tried again, each time a little later.

import { Offline, Refusal, SignedOut, events } from './daemon.js';
import { addCall, changed, failed, state } from './state.js';

/** Longest silence. The daemon sends something every five seconds. */
const SILENCE = 12_000;

/** Waits between attempts. The last one is repeated. */
const WAITS = [500, 1000, 2000, 4000, 8000, 15_000];

/** Shortest time between two readings that events cause. */
const PACE = 400;

let wake = () => {};

/** Tries again at once. */
export const retryNow = () => wake();

/**
 * Follows until the session ends.
 * @param {() => void} onNews called when earlier answers may be out of date
 */
export async function follow(onNews) {
  const news = paced(onNews);
  for (let attempt = 0; state.session === 'in';) {
    const silence = new AbortController();
    try {
      const stream = await events(silence.signal);
      attempt = 0;
      state.link = 'on';
      news();
      changed();
      await readEvents(stream, silence, (name, data) => {
        if (name === 'call') addCall(data);
        else if (name === 'changed') news();
      });
    } catch (error) {
      if (error instanceof SignedOut && failed(error)) return;
      if (!(error instanceof Offline) && !(error instanceof Refusal)) throw error;
    } finally {
      silence.abort();
    }
    const wait = WAITS[Math.min(attempt, WAITS.length - 1)];
    attempt += 1;
    Object.assign(state, { link: 'off', retryAt: Date.now() + wait });
    changed();
    await rest(wait);
    if (state.session === 'in') state.retryAt = 0;
    changed();
  }
}

function rest(wait) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, wait);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

/** Calls `call` soon, but not more often than `PACE` permits. */
function paced(call) {
  let timer = 0;
  let last = 0;
  return () => {
    if (timer) return;
    timer = setTimeout(() => {
      [timer, last] = [0, Date.now()];
      call();
    }, Math.max(0, last + PACE - Date.now()));
  };
}

/** Reads `text/event-stream` until it ends or is silent for too long. */
async function readEvents(stream, silence, each) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let timer = setTimeout(() => silence.abort(), SILENCE);
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read().catch(() => {
        throw new Offline('The daemon fell silent.');
      });
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE);
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop();
      blocks.forEach((block) => readBlock(block, each));
    }
  } finally {
    clearTimeout(timer);
  }
}

function readBlock(block, each) {
  const fields = { event: '', data: '' };
  for (const line of block.split('\n')) {
    const [name, ...value] = line.split(':');
    if (name in fields) fields[name] += value.join(':').trimStart();
  }
  if (fields.event) each(fields.event, JSON.parse(fields.data || '{}'));
}
