// Form fields, made from what the proxy says a key's value may be. The proxy alone decides what passes.

import { draft } from "./draft.js";
import { el, icon, newId, put, say, tell } from "./dom.js";
import { currentLanguage, has, orWords, t } from "./i18n.js";
import { wrong } from "./told.js";
import { fromToml, plain, toToml } from "./toml.js";

/** What a value may be, in a few words. */
function range(kind) {
  const seconds = (value) => `${value.toLocaleString(currentLanguage())}\u00a0${t("unit.s")}`;
  switch (kind.type) {
    case "integer":
      return t("range.integer", { least: kind.least, most: kind.most, unit: kind.unit ? orWords(`range.${kind.unit}`, kind.unit) : "" }).trim();
    case "duration":
      return `${t("range.duration", { least: seconds(kind.least_s), most: seconds(kind.most_s) })}${kind.or_false ? `; ${t("range.or-never")}` : ""}`;
    case "list":
      return t("range.list", { of: t(`list.${kind.of}`), most: kind.most });
    case "network":
      return t("range.network");
    case "address":
      return t("range.address");
    default:
      return "";
  }
}

/** `{node, read(), write(toml)}`: `read` gives TOML, or `null` for nothing. */
function control(kind, key, id) {
  switch (kind.type) {
    case "bool": {
      const node = el("input", { type: "checkbox", id });
      return { node, read: () => toToml(node.checked), write: (text) => (node.checked = fromToml(text) === true) };
    }
    case "choice": {
      const name = (value) => orWords(`choice.${key}.${plain(value)}`, plain(value));
      const node = el("select", { id }, kind.values.map((value) => el("option", { value }, name(value))));
      const write = (text) => {
        const nothing = node.querySelector("option[value='']");
        if (text === null && !nothing) {
          node.prepend(el("option", { value: "" }, t("choice.nothing")));
        } else if (text !== null) {
          nothing?.remove();
        }
        node.value = text ?? "";
      };
      return { node, read: () => node.value || null, write };
    }
    case "integer": {
      const node = el("input", { id, type: "text", inputmode: "numeric", autocomplete: "off", size: 18 });
      // What is no number goes as text, and the proxy says what it takes.
      const read = () => (/^\d+$/.test(node.value.trim()) ? node.value.trim() : node.value.trim() === "" ? null : toToml(node.value.trim()));
      return { node, read, write: (text) => (node.value = plain(text)) };
    }
    case "duration": {
      const node = el("input", { id, type: "text", autocomplete: "off", size: 10 });
      const read = () => {
        const text = node.value.trim();
        // A bare number is of seconds, as people type it.
        return text === "" ? (kind.or_false ? "false" : null) : toToml(/^\d+(\.\d+)?$/.test(text) ? `${text}s` : text);
      };
      return { node, read, write: (text) => (node.value = text === "false" ? "" : plain(text)) };
    }
    case "list": {
      const node = el("textarea", { id, rows: 2, spellcheck: "false", autocomplete: "off" });
      const read = () => toToml(node.value.split(/[\n,]/).map((line) => line.trim()).filter(Boolean));
      const write = (text) => {
        const lines = fromToml(text) ?? [];
        node.value = lines.join("\n");
        node.rows = Math.min(8, Math.max(2, lines.length + 1));
      };
      return { node, read, write };
    }
    default: {
      const node = el("input", { id, type: "text", autocomplete: "off", spellcheck: "false", size: 20 });
      const read = () => (node.value.trim() === "" ? null : toToml(node.value.trim()));
      return { node, read, write: (text) => (node.value = plain(text)) };
    }
  }
}

/** Where the value that is in force comes from. */
function origin(view) {
  switch (view.origin) {
    case "live":
      return t("origin.live");
    case "file":
      return t("origin.file");
    case "defaults":
      return t("origin.defaults");
    default:
      return t("origin.default");
  }
}

/**
 * A key's field, with its explanation, where its value comes from, and what is wrong with it. `update(view)` shows the key
 * as it is now; what is being typed stays.
 */
export function field(port, first) {
  const { key, kind } = first;
  const id = newId("field");
  const input = control(kind, key, id);
  const [hint, from, error] = [el("p", { class: "hint", id: `${id}-hint` }), el("span", { class: "tag" }), el("p", { class: "error", id: `${id}-error` })];
  const reset = el("button", { type: "button", class: "quiet", onclick: () => draft.change(port, key, null) }, icon("back"), t("field.reset"));
  const undo = el("button", { type: "button", class: "quiet", onclick: () => draft.undo(port, key) }, icon("back"), t("field.undo"));
  const label = el("label", { for: id }, orWords(`key.${key}`, key));
  const node = el(
    "div",
    { class: `field ${kind.type}`, "data-key": key, "data-port": port ?? "" },
    el("div", { class: "field-head" }, label, el("code", null, key), from),
    el("div", { class: "field-row" }, input.node, undo, reset),
    hint,
    error,
  );
  input.node.addEventListener(kind.type === "bool" || kind.type === "choice" ? "change" : "input", () =>
    draft.change(port, key, input.read()),
  );
  put(input.node, "aria-describedby", `${id}-hint ${id}-error`);

  const update = (view) => {
    const [edit, problem] = [draft.edit(port, key), draft.problem(port, key)];
    const value = draft.value(port, key);
    if (document.activeElement !== input.node || input.read() !== value) {
      input.write(value);
    }
    input.node.disabled = !view.live;
    if (input.node.tagName === "INPUT") {
      const words = view.default_words && orWords(`words.${view.default_words}`, view.default_words);
      put(input.node, "placeholder", kind.or_false ? t("field.never") : (words ?? (view.default === null ? "" : plain(view.default))));
    }
    const help = has(`help.${key}`) ? t(`help.${key}`) : "";
    say(hint, [help, range(kind)].filter(Boolean).join(" "));
    say(from, edit ? t("origin.changed") : origin(view));
    put(from, "title", view.place);
    from.className = edit ? "tag changed" : `tag ${view.origin}`;
    undo.hidden = !edit;
    reset.hidden = Boolean(edit) || view.origin !== "live" || !view.live;
    tell(error, problem ? wrong(problem) : []);
    put(input.node, "aria-invalid", problem ? "true" : null);
    node.classList.toggle("edited", Boolean(edit));
    node.classList.toggle("wrong", Boolean(problem));
  };
  update(first);
  return { node, update };
}
