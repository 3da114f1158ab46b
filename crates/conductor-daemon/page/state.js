// What is known about the daemon, and who draws the page when that changes. The whole page has one state. Views read
// the state when they are drawn, and keep for themselves only what no other view needs.

import { Offline, Refusal, SignedOut, forget, read } from './daemon.js';

/** Most calls that are kept for the activity log. */
const MAX_CALLS = 500;

/**
 * `session`: whether there is a session. `link`: whether the daemon answers. `reads`: for each path the last answer, or the
 * refusal in its place. `calls`: the latest first.
 */
export const state = {
  session: /** @type {'starting' | 'in' | 'out'} */ ('starting'),
  signedOutWhy: '',
  link: /** @type {'connecting' | 'on' | 'off'} */ ('connecting'),
  retryAt: 0,
  reads: /** @type {Map<string, {data: any, error: Refusal | null, loading: boolean}>} */ (new Map()),
  calls: /** @type {any[]} */ ([]),
  callsSeen: 0,
};

let draw = () => {};
let waiting = false;

/** Sets the function that draws the page. */
export function onChange(drawn) {
  draw = drawn;
}

/** Draws the page again, once for all changes of one moment. */
export function changed() {
  if (waiting) return;
  waiting = true;
  queueMicrotask(() => {
    waiting = false;
    draw();
  });
}

/** The answer for a path. The first call starts the reading, and returns an entry without an answer. */
export function known(path) {
  let entry = state.reads.get(path);
  if (!entry) {
    entry = { data: null, error: null, loading: false };
    state.reads.set(path, entry);
    refresh(path);
  }
  return entry;
}

/** Reads a path again. Calls during a reading lead to one further reading after it. */
export async function refresh(path) {
  const entry = state.reads.get(path);
  if (!entry || state.session !== 'in') return;
  if (entry.loading) {
    entry.again = true;
    return;
  }
  entry.loading = true;
  try {
    entry.data = await read(path);
    entry.error = null;
  } catch (error) {
    if (!failed(error)) [entry.error, entry.data] = [error, null];
  }
  entry.loading = false;
  changed();
  if (entry.again) {
    entry.again = false;
    await refresh(path);
  }
}

/** Reads the paths again for which `wanted` is true, and forgets the others. */
export function refreshAll(wanted) {
  for (const path of [...state.reads.keys()]) {
    if (wanted(path)) refresh(path);
    else state.reads.delete(path);
  }
}

/**
 * Notes a failure that concerns the whole page.
 * @returns {boolean} whether the failure was one
 */
export function failed(error) {
  if (error instanceof SignedOut) {
    signOut(error.message);
    return true;
  }
  return error instanceof Offline;
}

/** Ends the session in this tab. */
export function signOut(why) {
  forget();
  Object.assign(state, { session: 'out', signedOutWhy: why, calls: [], callsSeen: 0 });
  state.reads.clear();
  changed();
}

/** Longest time until calls are drawn. A plugin may be called a thousand times a second, so they are drawn together. */
const CALLS_PACE = 250;

let callsWaiting = 0;

/** Notes a call that ended. */
export function addCall(call) {
  state.callsSeen += 1;
  state.calls.unshift({ ...call, number: state.callsSeen });
  state.calls.length = Math.min(state.calls.length, MAX_CALLS);
  callsWaiting ||= setTimeout(() => {
    callsWaiting = 0;
    changed();
  }, CALLS_PACE);
}

export { Offline, Refusal, SignedOut };
