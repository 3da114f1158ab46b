// Makes elements from plain objects. A view describes what should be shown, and `render` changes what is different.
// Text only becomes a text node or an attribute, so that no text can become markup. An element that stays is not
// replaced, and so keeps its focus, selection and scroll position.

/**
 * @typedef {object} Item A description: of an element, or of a text.
 * @property {string} [tag]
 * @property {Record<string, any>} [props]
 * @property {Item[]} [children]
 * @property {string} [text]
 * @property {string} [key] Tells items of one parent apart when their order changes.
 * @property {Node} [node] The node that was made from it.
 */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Describes an element. Properties whose name begins with `on` are listeners, `value`, `checked`, `selected` and
 * `disabled` are set as properties, `style` is an object of CSS properties, everything else is an attribute; null and
 * false leave the attribute out.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...any} children
 * @returns {Item}
 */
export function h(tag, props, ...children) {
  const { key, ...rest } = props ?? {};
  return { tag, key, props: rest, children: items(children) };
}

/** Lists, numbers and gaps as a flat list of items. */
function items(children) {
  return children.flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== '')
    .map((child) => (typeof child === 'object' ? child : { text: String(child) }));
}

/** The items that each container shows now. */
const shown = new WeakMap();

/**
 * Makes a container show these items.
 * @param {Element} container
 * @param {...any} children
 */
export function render(container, ...children) {
  const next = items(children);
  patch(container, shown.get(container) ?? [], next);
  shown.set(container, next);
}

function patch(parent, before, after) {
  const keyed = new Map(before.filter((item) => item.key).map((item) => [item.key, item]));
  const loose = before.filter((item) => !item.key);
  const kept = new Set();
  for (const item of after) {
    const old = item.key ? keyed.get(item.key) : loose.find((one) => !kept.has(one) && one.tag === item.tag);
    if (old && old.tag === item.tag && !kept.has(old)) {
      kept.add(old);
      update(old, item);
    } else {
      item.node = create(item, parent);
    }
  }
  before.filter((item) => !kept.has(item)).forEach((item) => item.node.remove());
  let place = parent.firstChild;
  for (const item of after) {
    if (item.node === place) place = place.nextSibling;
    else parent.insertBefore(item.node, place);
  }
}

function create(item, parent) {
  if (item.tag === undefined) return document.createTextNode(item.text);
  const isSvg = item.tag === 'svg' || parent.namespaceURI === SVG;
  const node = isSvg ? document.createElementNS(SVG, item.tag) : document.createElement(item.tag);
  patch(node, [], item.children);
  for (const [name, value] of Object.entries(item.props)) set(node, name, value);
  return node;
}

function update(old, item) {
  item.node = old.node;
  if (item.tag === undefined) {
    if (old.text !== item.text) item.node.data = item.text;
    return;
  }
  patch(item.node, old.children, item.children);
  for (const name of Object.keys(old.props)) if (!(name in item.props)) set(item.node, name, null);
  for (const [name, value] of Object.entries(item.props)) {
    if (old.props[name] !== value || typeof value === 'object') set(item.node, name, value);
  }
}

const PROPERTIES = new Set(['value', 'checked', 'selected', 'disabled', 'indeterminate']);

function set(node, name, value) {
  if (name.startsWith('on')) node[name.toLowerCase()] = value;
  else if (PROPERTIES.has(name)) node[name] = value ?? '';
  else if (name === 'style') for (const [key, text] of Object.entries(value ?? {})) node.style.setProperty(key, text);
  else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? '' : String(value));
}
