// What a change would do, told before it is done.

import { draft } from "./draft.js";
import { el, icon, say, spoken, tell } from "./dom.js";
import { dialog } from "./drawer.js";
import { orWords, t } from "./i18n.js";
import { said, wrong } from "./told.js";
import { plain } from "./toml.js";

/** A value as a person reads it. */
function value(key, toml) {
  if (toml === null) {
    return t("value.none");
  }
  const text = plain(toml);
  return text === "true" ? t("yes") : text === "false" ? t("no") : text === "" ? t("value.empty") : orWords(`choice.${key}.${text}`, text);
}

function what({ port, key, from, to }) {
  if (key === "enabled") {
    return t("igmp-proxy");
  }
  if (key === "upstream") {
    return t("provider");
  }
  if (key === "device") {
    return from === null ? t("change.port-comes") : to === null ? t("change.port-goes") : t("key.device");
  }
  return orWords(`key.${key}`, key);
}

/** A table of what differs; `more` gives a note for each, `heads` name the columns of values. */
export function changeTable(changes, more, heads = ["from", "to"]) {
  const onOff = (key, toml) => (key === "enabled" && toml !== null ? t(toml === "true" ? "on" : "off") : value(key, toml));
  return el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { class: "changes" },
      el("thead", null, el("tr", null, ["where", "what", ...heads].map((key) => el("th", { scope: "col" }, t(`change.${key}`))))),
      el(
        "tbody",
        null,
        changes.map((change) =>
          el(
            "tr",
            null,
            el("td", null, change.port ?? t("change.proxy")),
            el("th", { scope: "row" }, what(change), more?.(change) ? el("small", { class: "bad-text" }, more(change)) : null),
            el("td", { class: "from" }, onOff(change.key, change.from)),
            el("td", { class: "to" }, onOff(change.key, change.to)),
          ),
        ),
      ),
    ),
  );
}

const lines = (title, texts) =>
  texts.length === 0 ? null : el("div", { class: "note warn" }, el("p", null, icon("warn"), el("strong", null, title)), el("ul", null, texts.map((text) => el("li", null, spoken([said(text)])))));

/**
 * Shows the difference, and applies it when that is wished: `applied` gets the reply. `again` is called when
 * the settings were others by then, and nothing was applied; `news` is what to mind.
 */
export function review(preview, applied, again, news = "") {
  const error = el("div", { class: "error", role: "alert" }, news);
  const apply = el("button", { type: "button", class: "main", onclick: go }, t("review.apply"));
  const back = el("button", { type: "button", onclick: () => box.close() }, t("review.back"));
  const off = preview.changes.find((change) => change.key === "enabled" && change.to === "false");
  const provider = preview.changes.find((change) => change.key === "upstream");
  const content = el(
    "div",
    { class: "dialog-body" },
    preview.changes.length === 0 ? el("p", null, t("review.nothing")) : changeTable(preview.changes),
    off ? el("p", { class: "note warn" }, icon("warn"), t("switch.off-means")) : null,
    provider ? el("p", { class: "note" }, icon("info"), t("review.provider")) : null,
    lines(t("review.restart"), preview.needs_restart),
    lines(t("review.doubts"), preview.warnings),
    error,
    el("div", { class: "buttons" }, back, apply),
  );
  const box = dialog(t("review"), content);

  async function go() {
    apply.disabled = back.disabled = true;
    box.dataset.applying = "";
    say(error, "");
    say(apply, t("review.applying"));
    try {
      const reply = await draft.apply(preview.revision);
      box.close();
      applied(reply);
    } catch (problem) {
      if (problem.word === "conflict") {
        box.close();
        again();
        return;
      }
      const texts = [problem, ...problem.problems].flatMap(wrong);
      tell(error, texts.length > 0 ? texts : [{ text: t("unreachable"), lang: null }]);
      apply.disabled = back.disabled = false;
      say(apply, t("review.apply"));
    } finally {
      delete box.dataset.applying;
    }
  }
}
