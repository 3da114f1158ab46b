// A session of the Plugin Manager's page as a browser has it: node page.mjs ADDRESS MODULE KEY.
// Opens the session, uploads a module and takes it back, and revokes a key. Ends with 1 and says why if any of that is refused.

import { readFileSync } from 'node:fs';

const [address, module, key] = process.argv.slice(2);
const { origin, hash } = new URL(address);

async function ask(method, path, token, body, type) {
  const headers = { origin, 'sec-fetch-site': 'same-origin', connection: 'close' };
  if (token) headers.authorization = `Bearer ${token}`;
  if (type) headers['content-type'] = type;
  const reply = await fetch(`${origin}/api/${path}`, { method, headers, body });
  const text = await reply.text();
  if (!reply.ok || text.includes('"refused"')) throw new Error(`${path}: ${reply.status} ${text}`);
  return text ? JSON.parse(text) : {};
}

try {
  const json = 'application/json';
  const { token } = await ask('POST', 'session', '', JSON.stringify({ token: hash.slice('#token='.length) }), json);
  const { upload } = await ask('POST', 'uploads', token, readFileSync(module), 'application/wasm');
  await ask('DELETE', `uploads/${upload}`, token);
  const request = { 'trust-revoke': { public_key: key, reason: 'stolen', kind: 'compromised' } };
  await ask('POST', 'requests', token, JSON.stringify({ version: 1, request }), json);
} catch (error) {
  console.error(`${error.message}${error.cause ? `: ${error.cause.message}` : ''}`);
  process.exitCode = 1;
}
