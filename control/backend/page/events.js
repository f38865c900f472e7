// What happened, as it happens.

import { Rows, el, icon, say } from "./dom.js";
import { currentLanguage, t, timeOfDay } from "./i18n.js";
import { live } from "./live.js";
import * as told from "./told.js";

/** Lines shown. */
const SHOWN = 200;

const LOOKS = {
  joined: ["good", "join"],
  left: ["idle", "leave"],
  refused: ["bad", "bad"],
  querier: ["warn", "ask"],
  "upstream-joined": ["good", "join"],
  "upstream-left": ["idle", "leave"],
  link: ["warn", "link"],
  loss: ["warn", "warn"],
  change: ["idle", "gear"],
  withheld: ["warn", "warn"],
};

function line(event) {
  const [tone, name] = LOOKS[event.kind] ?? ["idle", "info"];
  const [words, original] = told.event(event);
  const at = new Date(event.at_unix_ms);
  const node = el(
    "li",
    { class: tone },
    el("time", { datetime: at.toISOString(), title: at.toLocaleString(currentLanguage()) }, timeOfDay(event.at_unix_ms)),
    icon(name),
    el("span", { lang: words.lang }, words.text, original ? el("span", { class: "original", lang: original.lang }, original.text) : null),
  );
  return { node };
}

/** The list, the latest first. */
export function eventsPanel() {
  const list = el("ol", { class: "events", role: "log", "aria-live": "off", "aria-label": t("events"), tabindex: "0" });
  const none = el("p", { class: "muted" });
  const rows = new Rows(list, (event) => event.id, line);
  const which = el(
    "select",
    { "aria-label": t("events.which"), onchange: update },
    ["all", "members", "provider", "trouble", "changes"].map((value) => el("option", { value }, t(`events.${value}`))),
  );
  const KINDS = {
    members: ["joined", "left", "refused"],
    provider: ["upstream-joined", "upstream-left"],
    trouble: ["refused", "querier", "link", "loss", "withheld"],
    changes: ["change"],
  };

  function update() {
    const kinds = KINDS[which.value];
    const shown = live.events.filter((event) => !kinds || kinds.includes(event.kind));
    rows.show(shown.slice(-SHOWN).reverse());
    none.hidden = shown.length > 0;
    say(none, t("events.none"));
  }
  update();
  const node = el("section", { class: "panel events-panel" }, el("div", { class: "panel-head" }, el("h2", null, t("events")), which), none, list);
  return { node, end: live.on(["events"], update) };
}
