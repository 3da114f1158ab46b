// Requests to the daemon. Every call ends with an answer, or with `Refusal`, `SignedOut` or `Offline`.

const VERSION = 1;

/** Where the session's token is kept, for this origin and port and for this tab. */
const KEY = 'conductor-session';

/** Longest wait for requests that make plugins load or work, and a little more. */
const LONG_WAIT = 65_000;

/** The daemon understood the request and refused it. */
export class Refusal extends Error {
  /** @param {{cause: string, message: string, hint?: string}} refused */
  constructor({ cause, message, hint }) {
    super(message);
    this.cause = cause;
    this.hint = hint ?? null;
  }
}

/** There is no session, or it has ended. */
export class SignedOut extends Error {}

/** The daemon did not answer. */
export class Offline extends Error {}

/** Whether there is a token to try. */
export const hasSession = () => sessionStorage.getItem(KEY) !== null;

/** Forgets the session. */
export const forget = () => sessionStorage.removeItem(KEY);

/**
 * Exchanges the one-time token of the address for the token of a session.
 * @param {string} token
 */
export async function signIn(token) {
  const body = JSON.stringify({ token });
  const response = await send('/api/session', { method: 'POST', body, headers: JSON_BODY }).catch((error) => {
    throw error instanceof SignedOut ? new SignedOut('This link was used already, or is older than a minute.') : error;
  });
  if (!response.ok) await answer(response);
  sessionStorage.setItem(KEY, (await response.json()).token);
}

const JSON_BODY = { 'Content-Type': 'application/json' };

/** Reads something: `status`, `plugins`, `plugins/ALIAS`, `pending`, `keys`, `audit?last=N`. */
export async function read(path) {
  return answer(await send(`/api/${path}`, { headers: authorization() }));
}

/**
 * Sends a request of the control protocol to the daemon.
 * @param {string | Record<string, object>} request
 */
export async function tell(request) {
  const body = JSON.stringify({ version: VERSION, request });
  return answer(await send('/api/requests', { method: 'POST', body, headers: { ...authorization(), ...JSON_BODY } }));
}

/**
 * Uploads a module, with its signature and rotations if there are any. Nothing of it runs.
 * @param {Blob} plugin
 * @param {{signature: Blob | null, rotation: Blob | null}} beside
 * @returns {Promise<{upload: string, path: string}>}
 */
export async function upload(plugin, beside) {
  const headers = { ...authorization(), 'Content-Type': 'application/octet-stream' };
  const response = await send('/api/uploads', { method: 'POST', body: plugin, headers });
  if (!response.ok) await answer(response);
  const staged = await response.json();
  for (const [name, body] of Object.entries(beside)) {
    if (!body) continue;
    const path = `/api/uploads/${encodeURIComponent(staged.upload)}/${name}`;
    const kept = await send(path, { method: 'POST', body, headers });
    if (!kept.ok) await answer(kept);
  }
  return staged;
}

/** Deletes an upload. The daemon deletes a forgotten upload after a while. */
export async function discard(id) {
  await send(`/api/uploads/${encodeURIComponent(id)}`, { method: 'DELETE', headers: authorization() }).catch(() => {});
}

/** The stream of events. It ends when `signal` says so. */
export async function events(signal) {
  const response = await send('/api/events', { headers: authorization(), signal }, 10_000);
  if (!response.ok || !response.body) await answer(response);
  return response.body;
}

const authorization = () => ({ Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ''}` });

async function send(path, options, wait = LONG_WAIT) {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), wait);
  const signal = options.signal ? AbortSignal.any([options.signal, late.signal]) : late.signal;
  try {
    const response = await fetch(path, { cache: 'no-store', credentials: 'omit', redirect: 'error', ...options, signal });
    if (response.status === 401) {
      forget();
      throw new SignedOut('The session is over.');
    }
    return response;
  } catch (error) {
    if (error instanceof SignedOut) throw error;
    throw new Offline('The daemon does not answer.');
  } finally {
    clearTimeout(timer);
  }
}

async function answer(response) {
  let body;
  try {
    body = await response.json();
  } catch {
    throw new Refusal({ cause: 'malformed', message: `The daemon answered with status ${response.status} and no words.` });
  }
  const answered = body.response ?? {};
  if (answered.refused) throw new Refusal(answered.refused);
  if (!response.ok) {
    const message = typeof body.error === 'string' ? body.error : body.error?.message;
    throw new Refusal(body.error?.cause ? body.error : { cause: 'malformed', message: message ?? `status ${response.status}` });
  }
  if (body.version !== VERSION) {
    throw new Refusal({ cause: 'unknown-version', message: 'The daemon is of another version.', hint: 'Load this page again.' });
  }
  return Object.values(answered)[0];
}
