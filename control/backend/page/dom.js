// Elements. Text is always text: nothing that comes from outside is ever read as HTML.

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) {
      continue;
    }
    if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An element. Attributes that are `null`, `undefined` or `false` are left out; `onclick` and the like are listeners. */
export function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

const SVG = "http://www.w3.org/2000/svg";

/** The same in SVG. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// Each says what it says by its shape.
const ICONS = {
  good: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13M5 8.2l2.1 2.1L11 6.2",
  bad: "M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4",
  warn: "M8 2L14.5 13.5h-13zM8 6.5v3M8 11.4v.3",
  info: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13M8 7.3v4M8 4.8v.3",
  idle: "M8 3.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 0 0 0-9",
  off: "M3.5 3.5h9v9h-9z",
  join: "M8 2.5v8M4.5 7L8 10.5L11.5 7M3 13.5h10",
  leave: "M8 10.5v-8M4.5 6L8 2.5L11.5 6M3 13.5h10",
  ask: "M3 5h8.5L9 2.5M13 11H4.5L7 13.5",
  link: "M2 8h4M10 8h4M6 5v6M10 5v6",
  gear: "M2 4.5h7M12 4.5h2M2 11.5h2M7 11.5h7M9 2.8v3.4h3V2.8zM4 9.8v3.4h3V9.8z",
  lock: "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
  close: "M4 4l8 8M12 4l-8 8",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 0 0 0-9M10.3 10.3L14 14",
  pulse: "M1.5 8.5H5L7 3l2.5 10L11 8.5h3.5",
  back: "M6.5 3.5L2.5 7.5l4 4M3 7.5h6.5a4 4 0 0 1 0 8",
};

/** A small picture; it stands beside words, so that nobody has to see it. */
export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 16 16", width: 16, height: 16, class: `icon icon-${name}`, "aria-hidden": "true" },
    svg("path", { d: ICONS[name] }),
  );
}

/** Words with their picture: `tone` is good, warn, bad or idle. */
export function mark(tone, text, name = tone) {
  return el("span", { class: `mark ${tone}` }, icon(name), el("span", null, text));
}

/** Sets a node's text, if it is another: what stays is not drawn again. */
export function say(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/** Several texts, one after the other, each in its language: `{text, lang}`. */
export const spoken = (texts) => texts.flatMap(({ text, lang }, at) => [at > 0 ? "; " : "", el("span", { lang }, text)]);

/** Sets a node's texts, if they are others. */
export function tell(node, texts) {
  if (node.textContent !== texts.map(({ text }) => text).join("; ")) {
    node.replaceChildren(...spoken(texts));
  }
}

/** Sets an attribute, or takes it away with `null`, if it is another. */
export function put(node, name, value) {
  if (value === null) {
    node.removeAttribute(name);
  } else if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

/**
 * Rows by key. `make(item)` gives `{node, update(item)}`; a row lives as long as its key, and is moved only when it is out
 * of its place, so that focus and selection stay where they are.
 */
export class Rows {
  #rows = new Map();

  constructor(parent, keyOf, make) {
    Object.assign(this, { parent, keyOf, make });
  }

  /** Shows these, in this order. */
  show(items) {
    const gone = new Map(this.#rows);
    let next = this.parent.firstChild;
    for (const item of items) {
      const key = this.keyOf(item);
      let row = this.#rows.get(key);
      if (row) {
        gone.delete(key);
      } else {
        row = this.make(item);
        this.#rows.set(key, row);
      }
      row.update?.(item);
      if (row.node === next) {
        next = next.nextSibling;
      } else {
        this.parent.insertBefore(row.node, next);
      }
    }
    for (const [key, row] of gone) {
      row.node.remove();
      this.#rows.delete(key);
    }
  }
}

let last = 0;

/** A name for an element that others refer to. */
export function newId(word) {
  last += 1;
  return `${word}-${last}`;
}
