// What is known of the daemon, and who wants to know when that changes. There is one state for the whole page; views read
// it when they are drawn, and keep for themselves only what nobody else sees.

import { Offline, Refusal, SignedOut, forget, read } from './daemon.js';

/** Most calls that are kept for the activity log. */
const MAX_CALLS = 500;

/**
 * `session`: whether we may ask. `link`: whether the daemon answers. `reads`: for each path the last answer, and the
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

/** Sets who draws the page. */
export function onChange(drawn) {
  draw = drawn;
}

/** Has the page drawn anew, once for all changes of a moment. */
export function changed() {
  if (waiting) return;
  waiting = true;
  queueMicrotask(() => {
    waiting = false;
    draw();
  });
}

/** What was read from a path; nothing at first, and then it is being read. */
export function known(path) {
  let entry = state.reads.get(path);
  if (!entry) {
    entry = { data: null, error: null, loading: false };
    state.reads.set(path, entry);
    refresh(path);
  }
  return entry;
}

/** Reads a path again; several at a time become one after the one that is under way. */
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

/** Reads everything again that `wanted` says is looked at, and forgets the rest. */
export function refreshAll(wanted) {
  for (const path of [...state.reads.keys()]) {
    if (wanted(path)) refresh(path);
    else state.reads.delete(path);
  }
}

/**
 * Takes note of a failure that concerns the whole page.
 * @returns {boolean} whether it was one
 */
export function failed(error) {
  if (error instanceof SignedOut) {
    signOut(error.message);
    return true;
  }
  return error instanceof Offline;
}

/** Ends the session here. */
export function signOut(why) {
  forget();
  Object.assign(state, { session: 'out', signedOutWhy: why, calls: [], callsSeen: 0 });
  state.reads.clear();
  changed();
}

/** Longest time from a call to its row; a plugin may be called a thousand times a second. */
const CALLS_PACE = 250;

let callsWaiting = 0;

/** Takes note of a call that ended. */
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
