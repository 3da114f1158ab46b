// A home directory for one file of tests, with plugins that are built, signed and trusted by the real programs, and the
// real daemon running in it.

import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Longest wait for anything that should happen at once; generous because machines that run tests are busy. */
export const PATIENCE = 60_000;

/** The target directory of the workspace, where the programs and the plugins were built. */
const TARGET = process.env.CONDUCTOR_TARGET;
if (!TARGET) throw new Error('run the tests with: cargo xtask test --only page');

const MODULES = { plugins: 'plugins/wasm32-wasip1/release', fixtures: 'fixtures/wasm32-wasip1/release' };

/** Publishers, by the name of their key's file. */
export const ADA = { key: 'ada', name: 'Ada Example', email: 'ada@example.org' };
export const GRACE = { key: 'grace', name: 'Grace Sample', email: 'grace@example.net' };

export class Home {
  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'conductor-page-'));
    for (const name of ['config', 'data', 'state', 'modules']) mkdirSync(this.at(name));
    this.daemon = null;
  }

  at(...names) {
    return join(this.path, ...names);
  }

  env() {
    return {
      HOME: this.path,
      PATH: process.env.PATH,
      NO_COLOR: '1',
      CONDUCTOR_CONFIG_DIR: this.at('config'),
      CONDUCTOR_DATA_DIR: this.at('data'),
      CONDUCTOR_STATE_DIR: this.at('state'),
    };
  }

  /** Runs a program to its end, which must be a good one, and returns what it printed. */
  run(program, ...args) {
    const options = { cwd: this.path, env: this.env(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: PATIENCE };
    return execFileSync(join(TARGET, 'debug', program), args, options).trim();
  }

  ctl(...args) {
    return this.run('conductorctl', ...args);
  }

  /** Makes a publisher's key; trusted or not. */
  publisher(who, { trusted }) {
    this.run('conductor-sign', 'generate-key', who.key);
    const key = readFileSync(this.at(`${who.key}.public`), 'utf8').trim();
    if (trusted) this.run('conductor-sign', 'trust', 'add', key, who.name);
    return key;
  }

  /**
   * A plugin's file.
   * @param {string} name of the file, without its ending
   * @param {object} how
   * @param {string} [how.example] an example of the repository
   * @param {string} [how.manifest] another manifest for it, as TOML
   * @param {object} [how.by] who signs it
   * @returns {string} its path
   */
  module(name, { example = 'hostile', manifest, by } = {}) {
    const kind = ['hostile', 'legacy'].includes(example) ? 'fixtures' : 'plugins';
    const file = this.at('modules', `${name}.wasm`);
    copyFileSync(join(TARGET, MODULES[kind], `${example}.wasm`), file);
    if (manifest) {
      writeFileSync(this.at('plugin.toml'), manifest);
      this.run('conductor-sign', 'manifest', 'add', file, 'plugin.toml', '--replace');
    }
    if (by) this.run('conductor-sign', 'sign', file, by.key, '--name', by.name, '--email', by.email);
    return file;
  }

  /** Writes the configuration. The page is served on a port of the system's choice, unless one is named. */
  config(text, port = 0) {
    this.configured = text;
    writeFileSync(this.at('config', 'config.toml'), `[ui]\nport = ${port}\n\n${text}`);
  }

  /** Has the page served on this port from the next start on. */
  configAt(port) {
    this.config(this.configured, port);
  }

  /** Starts the daemon and waits until it answers. */
  async start() {
    const daemon = spawn(join(TARGET, 'debug', 'conductor'), ['run'], { cwd: this.path, env: this.env(), stdio: ['ignore', 'ignore', 'pipe'] });
    this.daemon = daemon;
    this.log = [];
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.ended = ended;
    createInterface({ input: daemon.stderr }).on('line', (line) => this.log.push(line));
    await until('the daemon answers', () => {
      if (daemon.exitCode !== null) throw new Error(`the daemon ended:\n${this.log.join('\n')}`);
      try {
        return this.ctl('status');
      } catch {
        return null;
      }
    });
  }

  /** An address of the page that signs in, once. */
  address() {
    return this.ctl('ui', '--print').match(/http:\S+/)[0];
  }

  /** What the daemon says of a plugin. */
  plugin(alias) {
    return JSON.parse(this.ctl('--json', 'plugin', 'show', alias));
  }

  /** Keys that are trusted. */
  keys() {
    return JSON.parse(this.run('conductor-sign', 'trust', 'list', '--json')).keys;
  }

  /** Ends the daemon. */
  async stop() {
    if (!this.daemon) return;
    this.daemon.kill('SIGCONT');
    this.daemon.kill('SIGTERM');
    await this.daemon.ended;
    this.daemon = null;
  }

  /** Ends the daemon and takes the directory away. */
  async end() {
    await this.stop();
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Waits until something is so, and returns it. */
export async function until(what, look, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not so in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
