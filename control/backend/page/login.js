// The way in.

import { logIn, whoAmI } from "./api.js";
import { el, icon, tell } from "./dom.js";
import { t } from "./i18n.js";
import { said, wrong } from "./told.js";

/** Why nobody came in. */
function failure(problem) {
  if (problem.word === "too-many-attempts") {
    return [{ text: t("login.too-many", { cure: said(problem.cure).text }), lang: null }];
  }
  const known = { "wrong-password": "login.wrong", unreachable: "unreachable", busy: "login.busy" };
  return known[problem.word] ? [{ text: t(known[problem.word]), lang: null }] : wrong(problem);
}

/** A form for name and password; while there is no user, how to make one. `enter` takes the session. */
export function loginView(enter) {
  const error = el("p", { class: "error", role: "alert", id: "login-error" });
  const user = el("input", { id: "user", name: "user", autocomplete: "username", required: true, maxlength: 64, spellcheck: "false", autocapitalize: "none", "aria-describedby": "login-error" });
  const password = el("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true, maxlength: 1024, "aria-describedby": "login-error" });
  const button = el("button", { type: "submit", class: "main" }, t("log-in"));
  const form = el(
    "form",
    { onsubmit: submit },
    el("label", { for: "user" }, t("login.user")),
    user,
    el("label", { for: "password" }, t("login.password")),
    password,
    error,
    button,
  );
  const nobody = el(
    "div",
    { class: "nobody", hidden: true },
    el("p", null, icon("lock"), " ", el("strong", null, t("login.nobody"))),
    el("p", null, t("login.nobody-how")),
    el("pre", null, el("code", null, "manifold-backend user set NAME --role admin")),
    el("button", { type: "button", class: "main", onclick: begin }, t("login.look-again")),
  );
  const node = el(
    "main",
    { class: "card login" },
    el("h1", null, el("img", { src: "icon.svg", alt: "", width: 32, height: 32 }), "Manifold"),
    el("p", { class: "muted" }, t("login.what")),
    form,
    nobody,
  );

  async function submit(event) {
    event.preventDefault();
    tell(error, []);
    button.disabled = true;
    try {
      enter(await logIn(user.value.trim(), password.value));
    } catch (problem) {
      if (problem.word === "no-users") {
        begin();
      } else {
        tell(error, failure(problem));
        password.select();
        password.focus();
      }
    } finally {
      button.disabled = false;
    }
  }

  /** Looks whether there is anybody who could log in. */
  async function begin() {
    try {
      enter(await whoAmI());
    } catch (problem) {
      nobody.hidden = problem.word !== "no-users";
      form.hidden = !nobody.hidden;
      if (!["no-users", "unauthenticated"].includes(problem.word)) {
        tell(error, failure(problem));
      }
      if (nobody.hidden) {
        user.focus();
      }
    }
  }

  return { node, begin };
}
