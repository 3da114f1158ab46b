// Dialogs: the browser's own `<dialog>` with a form in it, which is drawn anew when something in it changes. Whatever had
// the focus before gets it back.

import { h, render } from './dom.js';
import { icon } from './icons.js';
import { refusal } from './parts.js';
import { failed } from './state.js';

let numbered = 0;

/** Something that was filled in is not as it should be. */
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
 * @param {(form: {data: () => FormData, draw: () => void}) => any} options.body what is in it
 * @param {string} options.confirm words of the button that does it
 * @param {string} [options.tone] of that button
 * @param {string} [options.cancel]
 * @param {(data: FormData) => any} options.onSubmit does it; what it throws is shown, and the dialog stays
 * @param {{words: string, work: () => any}} [options.other] something else that may be done
 * @returns {Promise<any>} what was returned by what was done, or null where the dialog was left
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
  (dialog.querySelector('[autofocus]') ?? dialog.querySelector('h2')).focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(result);
    });
  });
}
