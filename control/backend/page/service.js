// Services -> IGMP Proxy: the switch, the connection to the provider, the ports.

import { draft } from "./draft.js";
import { el, icon, put, say, spoken, tell } from "./dom.js";
import { portsForm, wholeForm } from "./clients.js";
import { t } from "./i18n.js";
import { live } from "./live.js";
import { providerPanel } from "./provider.js";
import { changeTable, review } from "./review.js";
import { said, wrong } from "./told.js";

function switchPanel() {
  const [state, error] = [el("strong"), el("p", { class: "error", role: "alert" })];
  const button = el("button", { type: "button", role: "switch", class: "switch", id: "switch", "aria-labelledby": "switch-name", "aria-describedby": "switch-means", onclick: flip }, el("span", { class: "knob" }));
  const [badge, padlock] = [el("span", { class: "tag changed" }, t("origin.changed")), icon("lock")];
  const node = el(
    "section",
    { class: "panel switch-panel", "data-key": "enabled", "data-port": "" },
    el("div", { class: "switch-row" }, button, el("span", { id: "switch-name", class: "switch-name" }, t("igmp-proxy")), state, badge, padlock),
    el(
      "dl",
      { class: "means", id: "switch-means" },
      el("dt", null, t("on")),
      el("dd", null, t("switch.on-means")),
      el("dt", null, t("off")),
      el("dd", null, t("switch.off-means")),
    ),
    error,
  );
  function flip() {
    draft.change(null, "enabled", String(draft.value(null, "enabled") !== "true"));
  }
  const update = (locked) => {
    const on = draft.value(null, "enabled") === "true";
    put(button, "aria-checked", String(on));
    button.disabled = locked;
    put(padlock, "hidden", locked ? null : "");
    say(state, t(on ? "on" : "off"));
    badge.hidden = !draft.edit(null, "enabled");
    const problem = draft.problem(null, "enabled");
    tell(error, problem ? wrong(problem) : []);
  };
  return { node, update };
}

/** What others changed meanwhile. */
function othersNote() {
  const table = el("div");
  const keep = el("button", { type: "button", class: "main", onclick: () => draft.seen() }, t("others.keep"));
  const drop = el("button", { type: "button", onclick: () => draft.undoAll() }, t("others.drop"));
  const focus = () => keep.focus({ preventScroll: true });
  const node = el(
    "section",
    { class: "note warn others", role: "alert", hidden: true },
    el("h2", null, icon("warn"), t("others")),
    el("p", null, t("others.what")),
    table,
    el("div", { class: "buttons" }, keep, drop),
  );
  const update = () => {
    const news = node.hidden && draft.others !== null;
    node.hidden = draft.others === null;
    table.replaceChildren(draft.others ? changeTable(draft.others, (change) => (change.mine ? t("others.mine") : ""), ["was", "is"]) : "");
    if (news) {
      node.scrollIntoView({ block: "start" });
      focus();
    }
  };
  return { node, update, focus };
}

/** What was done, until the next change. */
function doneNote() {
  const list = el("ul");
  const title = el("strong");
  const node = el("section", { class: "note good", role: "status", hidden: true }, el("p", null, icon("good"), title), list);
  const show = (reply) => {
    say(title, t("done"));
    const line = (before) => (text) => el("li", null, before, spoken([said(text)]));
    list.replaceChildren(
      ...reply.applied.map(line("")),
      ...reply.restart.map(line(`${t("done.restart")} `)),
      ...reply.warnings.map(line(`${t("done.warning")} `)),
    );
    if (reply.switch_ms !== null) {
      list.append(el("li", null, t("done.switch", { ms: reply.switch_ms.toFixed(1) })));
    }
    node.hidden = false;
    node.scrollIntoView({ block: "nearest" });
  };
  return { node, show, hide: () => (node.hidden = true) };
}

/** Undone changes: how many, and what to do with them. `applied` gets the reply, `outdone` is called when others were faster. */
function bar(applied, outdone) {
  const [tally, error] = [el("strong"), el("p", { class: "error", role: "alert" })];
  const look = el("button", { type: "button", class: "main", onclick: () => begin() }, t("bar.review"));
  const drop = el("button", { type: "button", onclick: () => draft.undoAll() }, t("bar.drop"));
  const node = el("div", { class: "bar", role: "region", "aria-label": t("bar") }, el("div", null, tally, error), el("div", { class: "buttons" }, drop, look));
  async function begin(news) {
    look.disabled = true;
    say(error, "");
    try {
      const preview = await draft.review();
      if (preview?.problems.length > 0) {
        document.querySelector("main [aria-invalid=true]")?.focus();
      } else if (preview) {
        // Where others changed no value, what was shown is to be shown anew.
        review(preview, applied, () => (draft.others ? outdone() : begin(t("review.again"))), news);
      } else if (draft.others) {
        outdone();
      }
    } catch (problem) {
      tell(error, problem.detail ? wrong(problem) : [{ text: t("unreachable"), lang: null }]);
    } finally {
      update();
    }
  }
  const shownAt = new Set();
  const update = () => {
    node.hidden = draft.edits.size === 0;
    say(tally, t("bar.changes", { n: draft.edits.size }));
    look.disabled = draft.others !== null;
    shownAt.clear();
    document.querySelectorAll("main [data-key]").forEach(({ dataset }) => shownAt.add(`${dataset.port}\n${dataset.key}`));
    const beside = draft.problemsBeside(shownAt).filter(({ port }) => !draft.newPorts.some(({ name }) => name === port));
    const all = draft.preview?.problems.length ?? 0;
    const inWhole = ({ place, message, cure }) => wrong({ message: [place, message].filter(Boolean).join(": "), cure });
    tell(error, beside.length > 0 ? beside.flatMap(inWhole) : all > 0 ? [{ text: t("bar.wrong", { n: all }), lang: null }] : []);
  };
  return { node, update };
}

/** The view. */
export function serviceView(session) {
  const locked = session.role !== "admin";
  const done = doneNote();
  const parts = [othersNote(), switchPanel(), providerPanel(), portsForm(), wholeForm()];
  const [others, first, provider, ports, whole] = parts.map((part) => part.node);
  const changes = bar(done.show, parts[0].focus);
  const fixed = el("p", { class: "note", hidden: true }, icon("lock"), t("not-changeable"));
  const failure = el("section", { class: "note bad", role: "alert", hidden: true });
  const form = el("div", { class: "forms" }, others, first, provider, ports, whole);
  const node = el(
    "div",
    { class: "service" },
    el("p", { class: "trail" }, `${t("nav.services")} › `),
    el("h1", null, t("igmp-proxy")),
    locked ? el("p", { class: "note", id: "viewer-note" }, icon("lock"), t("viewer", { user: session.user })) : null,
    fixed,
    failure,
    done.node,
    form,
    changes.node,
  );

  function update() {
    const { settings, failure: problem } = draft;
    form.hidden = settings === null;
    failure.hidden = problem === null || settings !== null;
    if (problem) {
      failure.replaceChildren(el("p", null, icon("bad"), el("strong", null, t("settings.none"))), el("p", null, spoken(wrong(problem))));
    }
    fixed.hidden = locked || settings?.changeable !== false;
    const fast = locked || settings?.changeable === false;
    if (settings) {
      parts.forEach((part) => part.update(fast));
    }
    changes.update();
  }

  let loading = false;
  async function load() {
    if (!loading) {
      loading = true;
      await draft.load();
      loading = false;
    }
  }
  function hear() {
    const back = draft.settings === null && draft.failure !== null && live.fresh;
    if ((draft.outdated && !applying()) || back) {
      load();
    }
  }
  const applying = () => document.querySelector("dialog[data-applying]") !== null;

  const ends = [
    draft.on(["loaded", "checked"], update),
    draft.on(["edited"], () => {
      if (draft.edits.size > 0) {
        done.hide();
      }
      update();
    }),
    live.on(["status"], hear),
  ];
  // Carrier and links come and go without a change of settings.
  const again = setInterval(() => live.fresh && !applying() && load(), 10_000);
  update();
  load();
  return { node, end: () => [...ends, () => clearInterval(again)].forEach((end) => end()) };
}
