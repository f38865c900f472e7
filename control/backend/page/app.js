// The page: who is there, what is shown, and what stands around it.

import { logOut, onLoggedOut, whoAmI } from "./api.js";
import { el, icon, put, say, tell } from "./dom.js";
import { draft } from "./draft.js";
import { LANGUAGES, beginLanguage, chooseLanguage, currentLanguage, span, t } from "./i18n.js";
import { keep, recall } from "./keep.js";
import { live } from "./live.js";
import { loginView } from "./login.js";
import { nowView } from "./now.js";
import { serviceView } from "./service.js";
import { said, wrong } from "./told.js";

const VIEWS = { "#/now": nowView, "#/igmp-proxy": serviceView };

let session = null;
/** What ends the view that is shown. */
let endView = () => {};

const root = document.getElementById("app");

function select(label, chosen, options, then) {
  const node = el(
    "select",
    { "aria-label": label, title: label, onchange: (event) => then(event.target.value) },
    Object.entries(options).map(([value, text]) => el("option", { value, selected: value === chosen }, text)),
  );
  return node;
}

function chooseTheme(theme) {
  keep("theme", theme);
  put(document.documentElement, "data-theme", theme === "auto" ? null : theme);
}

/** Language and colours: everybody's, logged in or not. */
function looks() {
  const themes = { auto: t("theme.auto"), light: t("theme.light"), dark: t("theme.dark") };
  return el(
    "div",
    { class: "looks" },
    select(t("language"), currentLanguage(), LANGUAGES, (tag) => {
      chooseLanguage(tag);
      show();
    }),
    select(t("theme"), recall("theme") ?? "auto", themes, chooseTheme),
  );
}

/** How it stands with the proxy, by the frames that move: `[tone, icon, text]`. */
function proxyLight() {
  const proxy = live.status?.proxy;
  if (!live.connected || !proxy) {
    return ["idle", "idle", t("light.unknown")];
  }
  if (!proxy.up) {
    return ["bad", "bad", t("light.no-answer")];
  }
  if (proxy.status?.enabled === false) {
    return ["warn", "off", t("light.off")];
  }
  const frames = proxy.traffic?.rx_frames_per_s ?? 0;
  if (frames > 0) {
    return ["good", "pulse", t("unit.frames/s", { n: Math.round(frames) })];
  }
  return ["idle", "idle", t("light.no-frames")];
}

function light(label, read) {
  const [place, text] = [el("span", { class: "lamp" }), el("span", { class: "lamp-text" })];
  const node = el("span", { class: "light" }, place, el("span", { class: "lamp-name" }, label), text);
  let shown = null;
  let beat = "even";
  const update = () => {
    const [tone, name, words] = read();
    if (shown !== tone + name) {
      shown = tone + name;
      place.className = `lamp ${tone}`;
      place.replaceChildren(icon(name));
    }
    say(text, words);
    if (name === "pulse") {
      // Each message is one beat: another name begins the animation anew.
      beat = beat === "even" ? "odd" : "even";
      put(place, "data-beat", beat);
    }
  };
  return { node, update };
}

/** The two lights. That of the backend is lit by what it sends, that of the proxy by the frames that move. */
function lights() {
  const proxy = light(t("light.proxy"), proxyLight);
  const backend = light(t("light.backend"), () =>
    live.connected ? ["good", "pulse", t("light.answers")] : ["bad", "bad", t("light.no-answer")],
  );
  const update = () => {
    proxy.update();
    backend.update();
  };
  update();
  const node = el("div", { class: "lights", role: "group", "aria-label": t("light.both") }, proxy.node, backend.node);
  return { node, end: live.on(["status", "connection"], update) };
}

/** Why what is shown is not of now. */
function outage() {
  const node = el("div", { class: "outage", role: "alert", hidden: true });
  const [title, why, unit] = [el("strong"), el("p"), el("p")];
  node.append(icon("bad"), el("div", null, title, why, unit));
  const update = () => {
    const proxy = live.status?.proxy;
    const silent = live.status !== null && !live.connected;
    node.hidden = !(silent || proxy?.up === false);
    if (silent) {
      say(title, t("outage.backend"));
      say(why, t("outage.backend-why"));
      say(unit, "");
    } else if (!node.hidden) {
      const seconds = Math.floor(proxy.down_s ?? 0);
      say(title, seconds > 0 ? t("outage.proxy-since", { span: span(seconds) }) : t("outage.proxy"));
      tell(why, proxy.error ? wrong(proxy.error) : []);
      tell(unit, proxy.unit ? [{ text: proxy.unit.unit, lang: null }, said(proxy.unit.text), said(proxy.unit.cure)] : []);
    }
    root.classList.toggle("stale", !node.hidden);
  };
  update();
  return { node, end: live.on(["status", "connection"], update) };
}

function nav() {
  const item = (hash, text, from) =>
    el(
      "a",
      { href: hash, "aria-current": location.hash === hash ? "page" : null },
      from ? el("span", { class: "from" }, from) : null,
      el("span", null, text),
    );
  return el(
    "nav",
    { "aria-label": t("nav") },
    el("h2", null, t("nav.watch")),
    item("#/now", t("now")),
    el("h2", null, t("nav.services")),
    item("#/igmp-proxy", t("igmp-proxy")),
  );
}

function header(lamps) {
  return el(
    "header",
    { class: "top" },
    el("a", { class: "brand", href: "#/now" }, el("img", { src: "icon.svg", alt: "", width: 22, height: 22 }), el("span", null, "Manifold")),
    lamps,
    looks(),
    el(
      "div",
      { class: "who" },
      session.role === "viewer" ? icon("lock") : null,
      el("span", null, `${session.user} · ${t(`role.${session.role}`)}`),
      el("button", { type: "button", class: "quiet", onclick: leave }, t("log-out")),
    ),
  );
}

async function leave() {
  try {
    await logOut();
  } catch {
    // The session is over, or the backend is: either way nobody is logged in here.
  }
  enter(null);
}

/** Draws everything anew, in the language that is chosen now. */
function show() {
  endView();
  if (!session) {
    live.stop();
    document.title = `${t("log-in")} – Manifold`;
    root.className = "entrance";
    const view = loginView(enter);
    root.replaceChildren(looks(), view.node);
    view.begin();
    endView = () => {};
    return;
  }
  if (!(location.hash in VIEWS)) {
    history.replaceState(null, "", "#/now");
  }
  root.className = "inside";
  const [lamps, out, view] = [lights(), outage(), VIEWS[location.hash](session)];
  document.title = `${t(location.hash === "#/now" ? "now" : "igmp-proxy")} – Manifold`;
  const main = el("main", { id: "main", tabindex: "-1" }, out.node, view.node);
  root.replaceChildren(
    el("a", { class: "skip", href: "#main", onclick: skip }, t("skip")),
    header(lamps.node),
    el("div", { class: "body" }, nav(), main),
  );
  endView = () => [lamps, out, view].forEach((part) => part.end());
}

function skip(event) {
  // The address is the view's name, and stays so.
  event.preventDefault();
  document.getElementById("main").focus();
}

/** Takes somebody in, or with `null` shows the way in. */
function enter(who) {
  session = who;
  draft.forget();
  if (session) {
    live.start(comeAgain);
  }
  show();
}

/** After a stream that was refused: the session may be over, or the backend full. */
async function comeAgain() {
  try {
    const who = await whoAmI();
    if (session && (who.user !== session.user || who.role !== session.role)) {
      enter(who);
    } else {
      live.start(comeAgain);
    }
  } catch (problem) {
    if (problem.status === 401) {
      enter(null);
    } else {
      setTimeout(comeAgain, 3000);
    }
  }
}

beginLanguage();
onLoggedOut(() => session && enter(null));
addEventListener("hashchange", () => {
  show();
  document.getElementById("main")?.focus({ preventScroll: true });
  scrollTo(0, 0);
});
whoAmI().then(enter, () => enter(null));
