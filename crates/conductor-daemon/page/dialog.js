// Dialogs: the browser's own `<dialog>` with a form, which is drawn again when something in it changes. At the end, the
// element that had the focus before gets it back. While a dialog is open, nothing outside of it can be pressed or read: so
// each dialog has a panic button of its own, and takes the message at the edge of the page in.

import { h, render } from './dom.js';
import { icon } from './icons.js';
import { panicButton } from './panic.js';
import { refusal } from './parts.js';
import { failed } from './state.js';
import { moveInto } from './toast.js';

let numbered = 0;

/** A field has an invalid value. */
export class Invalid extends Error {
  /**
   * @param {string} field name of the field, which gets the focus
   * @param {string} message
   */
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/**
 * Opens a dialog and waits for its end.
 * @param {object} options
 * @param {any} options.title
 * @param {(form: {data: () => FormData, draw: () => void}) => any} options.body the contents
 * @param {string} options.confirm words of the button that confirms
 * @param {string} [options.tone] of that button
 * @param {string} [options.cancel]
 * @param {(data: FormData) => any} options.onSubmit does the work; an error that it throws is shown, and the dialog stays open
 * @param {{words: string, work: () => any}} [options.other] another choice
 * @returns {Promise<any>} what the work returned, or null if the dialog was left
 */
export function ask({ title, body, confirm, tone = 'primary', cancel = 'Cancel', onSubmit, other }) {
  numbered += 1;
  const id = `dialog-${numbered}`;
  const dialog = document.createElement('dialog');
  dialog.setAttribute('aria-labelledby', id);
  document.body.append(dialog);
  let error = null;
  let busy = false;
  let result = null;

  const data = () => new FormData(dialog.querySelector('form') ?? undefined);
  async function attempt(work) {
    if (busy) return;
    [busy, error] = [true, null];
    draw();
    try {
      result = (await work(data())) ?? true;
      dialog.close();
      return;
    } catch (caught) {
      error = caught;
      failed(caught);
    }
    busy = false;
    draw();
    dialog.querySelector('.dialog-error')?.scrollIntoView({ block: 'nearest' });
    if (error instanceof Invalid) dialog.querySelector(`[name="${error.field}"]`)?.focus();
  }
  function submit(event) {
    event.preventDefault();
    attempt(onSubmit);
  }
  function draw() {
    if (!dialog.isConnected) return;
    render(dialog, h('form', { novalidate: true, onsubmit: submit },
      h('header', {},
        h('h2', { id, tabindex: '-1' }, title),
        panicButton(),
        h('button', { type: 'button', class: 'close', 'aria-label': 'Close', onclick: () => dialog.close() }, icon('cross'))),
      h('div', { class: 'dialog-body' }, body({ data, draw }),
        error && h('div', { class: 'dialog-error' }, refusal(error))),
      h('footer', {},
        other && h('button', { type: 'button', class: 'button plain danger', onclick: () => attempt(other.work) }, other.words),
        h('button', { type: 'button', class: 'button', onclick: () => dialog.close() }, cancel),
        h('button', { type: 'submit', class: `button ${tone}`, 'aria-disabled': busy && 'true' }, busy ? 'One moment…' : confirm))));
  }

  draw();
  dialog.showModal();
  moveInto(dialog);
  (dialog.querySelector('[autofocus]') ?? dialog.querySelector('h2')).focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      moveInto([...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body);
      dialog.remove();
      resolve(result);
    });
  });
}
