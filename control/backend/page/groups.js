// The groups: who watches what.

import { Rows, el, icon, mark, put, say } from "./dom.js";
import { showGroup } from "./explain.js";
import { bitRate, count, frameRate, t } from "./i18n.js";
import { live } from "./live.js";
import { spark } from "./spark.js";
import { expiry, standing } from "./standing.js";

/** Rows on a page. */
const PAGE = 100;
/** Ports told in a row; the others are told by a click. */
const LINES = 4;
/** While rows are sorted by what moves, they change places no more often than this. */
const RESORT_MS = 3000;

const number = (address) => address.split(".").reduce((value, part) => value * 256 + Number(part), 0);

const soonest = ({ view }) => Math.min(...view.members.map((member) => member.expires_s ?? Infinity), Infinity);

/** How rows are sorted, and whether that moves by itself. */
const ORDERS = {
  group: { of: ({ view }) => number(view.group), moves: false },
  rate: { of: ({ figures }) => figures.bytes_per_s ?? -1, moves: true },
  members: { of: ({ view }) => view.members.length, moves: false },
  expires: { of: soonest, moves: false },
  state: { of: (group) => standing(group)[3], moves: true },
};

function lines() {
  const node = el("td", { class: "lines" });
  const update = (texts) => {
    while (node.children.length > texts.length) {
      node.lastChild.remove();
    }
    texts.forEach((text, at) => say(node.children[at] ?? node.appendChild(el("div")), text));
  };
  return { node, update };
}

function row(group) {
  const name = el("button", { type: "button", class: "link" }, group.view.group);
  const [line, bits] = [spark(), el("span", { class: "figure" })];
  const [ports, reporters, versions, expiries] = [lines(), lines(), lines(), lines()];
  const [state, drops] = [el("span"), el("small")];
  const rate = el("td", { class: "rate" }, el("span", { class: "with-spark" }, line.node, bits));
  const node = el(
    "tr",
    { onclick: () => getSelection().isCollapsed && showGroup(group.view.group) },
    el("th", { scope: "row" }, name),
    rate,
    ports.node,
    reporters.node,
    versions.node,
    expiries.node,
    el("td", { class: "standing" }, state, drops),
  );
  let shown = "";
  const update = (now) => {
    const { view, figures, history, at } = now;
    const passed = (performance.now() - at) / 1000;
    say(bits, bitRate(figures.bytes_per_s));
    put(rate, "title", frameRate(figures.frames_per_s));
    line.update(history.values);
    const told = view.members.length > LINES ? view.members.slice(0, LINES - 1) : view.members;
    const more = view.members.length - told.length;
    ports.update([...told.map((member) => member.port), ...(more ? [t("groups.more", { n: more })] : [])]);
    reporters.update(told.map((member) => member.last_reporter ?? "–"));
    versions.update(told.map((member) => `v${member.version}`));
    expiries.update(told.map((member) => expiry(member, passed)));
    const [tone, name, text] = standing(now);
    if (shown !== tone + text) {
      shown = tone + text;
      state.replaceChildren(mark(tone, text, name));
    }
    say(drops, view.filtered > 0 ? t("group.filtered", { n: view.filtered }) : "");
  };
  return { node, update };
}

function matches({ view }, words) {
  if (!words) {
    return true;
  }
  const texts = [view.group, ...view.members.flatMap((member) => [member.port, member.last_reporter ?? ""])];
  return texts.some((text) => text.toLowerCase().includes(words));
}

// What was looked for and how it was sorted lasts as long as the page.
const chosen = { words: "", trouble: false, by: "group", down: false, page: 0 };

/** The table. */
export function groupsPanel() {
  const body = el("tbody");
  const rows = new Rows(body, ({ view }) => view.group, row);
  const tally = el("span", { class: "muted", role: "status" });
  const none = el("p", { class: "empty" });
  const search = el("input", { type: "search", value: chosen.words, placeholder: t("groups.search"), "aria-label": t("groups.search"), spellcheck: "false", oninput: () => choose({ words: search.value.trim().toLowerCase() }) });
  const trouble = el("input", { type: "checkbox", checked: chosen.trouble, onchange: () => choose({ trouble: trouble.checked }) });
  const heads = new Map();
  const head = [
    ["group", "group"],
    ["rate", "rate"],
    ["ports", "members"],
    ["reporter", null],
    ["version", null],
    ["expires", "expires"],
    ["state", "state"],
  ].map(([key, order]) => {
    const text = t(`groups.${key}`);
    const node = el("th", { scope: "col" }, order ? el("button", { type: "button", class: "sort", onclick: () => sort(order) }, text) : text);
    if (order) {
      heads.set(order, node);
    }
    return node;
  });
  const table = el("table", { class: "groups" }, el("caption", { class: "unseen" }, t("groups")), el("thead", null, el("tr", null, head)), body);
  const [back, on, place] = [turn(-1, t("page.back")), turn(1, t("page.on")), el("span")];
  const pager = el("div", { class: "pager", hidden: true }, back, place, on);

  let order = [];
  let sorted = 0;

  function turn(by, text) {
    return el("button", { type: "button", onclick: () => choose({ page: chosen.page + by }) }, text);
  }

  function choose(what) {
    Object.assign(chosen, { page: 0 }, what);
    arrange();
  }

  function sort(by) {
    // Rates and trouble are looked for from the top.
    choose({ by, down: chosen.by === by ? !chosen.down : by === "rate" || by === "state" || by === "members" });
  }

  /** Which groups are shown, in which order. */
  function arrange() {
    const { of } = ORDERS[chosen.by];
    const sign = chosen.down ? -1 : 1;
    const found = [...live.groups.values()].filter((group) => matches(group, chosen.words) && (!chosen.trouble || standing(group)[3] >= 3));
    const keyed = found.map((group) => [of(group), number(group.view.group), group.view.group]);
    keyed.sort(([a, x], [b, y]) => (a === b ? x - y : (a < b ? -1 : 1) * sign));
    order = keyed.map(([, , group]) => group);
    sorted = performance.now();
    for (const [by, node] of heads) {
      put(node, "aria-sort", by === chosen.by ? (chosen.down ? "descending" : "ascending") : null);
    }
    draw();
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(order.length / PAGE));
    chosen.page = Math.min(chosen.page, pages - 1);
    const begin = chosen.page * PAGE;
    rows.show(order.slice(begin, begin + PAGE).map((group) => live.groups.get(group)).filter(Boolean));
    pager.hidden = pages === 1;
    say(place, t("page.place", { from: count(begin + 1), to: count(Math.min(begin + PAGE, order.length)), of: count(order.length) }));
    back.disabled = chosen.page === 0;
    on.disabled = chosen.page === pages - 1;
    const all = live.groups.size;
    say(tally, order.length === all ? t("groups.all", { n: all }) : t("groups.found", { n: order.length, of: count(all) }));
    none.hidden = order.length > 0;
    say(none, !live.begun ? t("loading") : all === 0 ? t("groups.none") : t("groups.none-found"));
  }

  function hear() {
    // Where nothing that is sorted by moves of itself, groups that come and go are what changes the order.
    const due = ORDERS[chosen.by].moves || chosen.trouble ? performance.now() - sorted > RESORT_MS : false;
    if (due || differs()) {
      arrange();
    } else {
      draw();
    }
  }

  let known = null;
  /** Whether other groups, or other members, are there than when it was last looked. */
  function differs() {
    let now = "";
    for (const { view } of live.groups.values()) {
      now += `${view.group}:${view.members.length} `;
    }
    const other = now !== known;
    known = now;
    return other;
  }

  differs();
  arrange();
  const node = el(
    "section",
    { class: "panel" },
    el(
      "div",
      { class: "panel-head" },
      el("h2", null, t("groups")),
      tally,
      el("label", { class: "check" }, trouble, t("groups.trouble")),
      el("span", { class: "search-box" }, icon("search"), search),
    ),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("groups") }, table),
    none,
    pager,
  );
  return { node, end: live.on(["groups", "tick"], hear) };
}
