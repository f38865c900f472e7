// The page as a person uses it: Chromium, the real backend, the real proxy on veth, real hosts. `make test-page`.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { PASSWORD, Backend, SOON, closeBrowser, done, inside, logIn, open, order, overflow, shoot } from "./stage.mjs";

const GROUP = "239.2.2.2";
let backend;

before(async () => {
  backend = await Backend.start();
});

after(async () => {
  await closeBrowser();
  await backend?.stop();
});

/** Waits until a text is there, in the first element of `selector`. */
const says = (page, selector, text) => page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: SOON });

const row = (group) => `.groups tbody tr:has(button:text-is("${group}"))`;

/** Reviews what was changed, looks whether the difference is told, and applies it. */
async function apply(page, ...told) {
  await page.click(".bar button.main");
  for (const text of told) {
    await says(page, "dialog.box .changes tr", text);
  }
  await page.click("dialog.box button.main");
  await page.locator("dialog.box").waitFor({ state: "detached" });
  await page.locator(".note.good").waitFor();
}

test("nobody gets in before the first password is set from the terminal", async () => {
  const page = await open(backend);
  await says(page, ".nobody", "manifold-backend user set NAME --role admin");
  assert.equal(await page.locator("#password").isVisible(), false);
  await shoot(page, "no-user");
  backend.users();
  await page.click(".nobody button");
  await page.locator("#user").waitFor({ state: "visible" });
  await shoot(page, "login");
  await logIn(page, "ann", "something else");
  await says(page, "#login-error", "There is no such user, or the password is another");
  await page.fill("#password", PASSWORD);
  await page.keyboard.press("Enter");
  await says(page, ".who", "ann · admin");
  await page.click(".who button");
  await page.locator("#user").waitFor();
  const cookies = await page.context().cookies();
  assert.deepEqual(cookies.filter(({ value }) => value), [], "logged out");
  await done(page);
});

test("a join appears, its rate grows, explain tells of it, and it goes with the leave", async () => {
  const page = await inside(backend);
  await says(page, ".empty", "Nobody has asked for a group yet");
  await order("send", "wan", GROUP, "200");
  await order("join", "hall-a", GROUP);
  await page.waitForSelector(row(GROUP));
  await order("join", "hall-b", GROUP);
  await says(page, row(GROUP), "hall-b");
  await says(page, row(GROUP), "10.1.0.2");
  await says(page, `${row(GROUP)} .standing`, "flows");
  await page.waitForFunction((selector) => /[1-9].*bit\/s/.test(document.querySelector(selector).textContent), ".groups .rate");
  await page.waitForFunction(() => document.querySelector(".groups .spark polyline").getAttribute("points").split(" ").length > 5);
  await says(page, ".lights", /[1-9]\d* frames\/s/);
  await says(page, ".events li", `${GROUP} joined by 10.1.0.2`);

  await page.fill(".search-box input", "hall-x");
  await says(page, ".empty", "No group is like this");
  await page.fill(".search-box input", "10.2.0");
  await page.waitForSelector(row(GROUP));
  await page.fill(".search-box input", "");
  await shoot(page, "now");

  await page.focus(`${row(GROUP)} button`);
  await page.keyboard.press("Enter");
  await says(page, "dialog.drawer .verdict", "Not dark");
  await says(page, "dialog.drawer .checks", "Who asked for it?");
  await shoot(page, "explain");
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement.textContent), GROUP, "the focus is back");

  await page.click('.ports button:text-is("wan")');
  await says(page, "dialog.drawer", "Dropped, and why");
  await says(page, "dialog.drawer", "Lost outside the workers");
  await page.keyboard.press("Escape");

  await order("leave", "hall-b", GROUP);
  await page.waitForFunction((selector) => !document.querySelector(selector).textContent.includes("hall-b"), ".groups tbody tr");
  await order("leave", "hall-a", GROUP);
  await page.waitForSelector(row(GROUP), { state: "detached" });
  await says(page, ".events li", `${GROUP} left`);
  await done(page);
});

/** Notes in the page, by the machine's clock, when a group's row and its rate were first there; and waits for an update. */
function watch(page, group) {
  return page.evaluate(async (group) => {
    const seen = (globalThis.seen = { row: null, rate: null });
    const look = () => {
      const row = [...document.querySelectorAll(".groups tbody tr")].find((row) => row.querySelector("button").textContent === group);
      if (row) {
        seen.row ??= Date.now();
        seen.rate ??= /[1-9].*bit\/s/.test(row.querySelector(".rate").textContent) ? Date.now() : null;
      }
    };
    new MutationObserver(look).observe(document.querySelector(".now"), { subtree: true, childList: true, characterData: true });
    const beats = { subtree: true, attributeFilter: ["data-beat"] };
    await new Promise((beat) => new MutationObserver(beat).observe(document.querySelector(".lights"), beats));
  }, group);
}

test("a join is on the page within a second, and its rate within another", async () => {
  const page = await inside(backend);
  // Each try begins with an update just gone, which is the longest way to the next: what updates too seldom fails all of
  // them. A machine that stands still now and then does not.
  const tries = [];
  while (!tries.some(({ row, rate }) => row <= 1000 && rate <= 1000)) {
    assert.ok(tries.length < 5, JSON.stringify(tries));
    const group = `239.2.3.${tries.length + 1}`;
    await order("send", "wan", group, "200");
    await watch(page, group);
    await order("join", "hall-a", group);
    await page.waitForFunction(() => globalThis.seen.rate !== null);
    const { row, rate } = await page.evaluate(() => globalThis.seen);
    const { events } = await backend.api("GET", "events?limit=1000");
    const joined = events.find((event) => event.kind === "joined" && event.group === group);
    tries.push({ row: row - joined.at_unix_ms, rate: rate - row });
    await order("leave", "hall-a", group);
    await order("quiet", "wan", group);
  }
  console.log(`# ms from a join to its row, and from there to its rate: ${JSON.stringify(tries)}`);
  await done(page);
});

test("the switch: off leaves every group, on forwards again", async () => {
  const page = await inside(backend, { view: "#/igmp-proxy" });
  await order("join", "hall-a", GROUP);
  await says(page, ".lights", /[1-9]\d* frames\/s/);
  await page.focus("#switch");
  await page.keyboard.press("Space");
  assert.equal(await page.getAttribute("#switch", "aria-checked"), "false");
  assert.equal((await backend.api("GET", "status")).proxy.status.enabled, true, "nothing is done before it is applied");
  await page.click(".bar button.main");
  await says(page, "dialog.box", "IGMP Proxy");
  await shoot(page, "review");
  await page.keyboard.press("Escape");
  await apply(page, "Off");
  await says(page, ".lights", "switched off");
  assert.equal((await backend.api("GET", "status")).proxy.status.enabled, false);
  await page.click("#switch");
  await apply(page, "On");
  await says(page, ".lights", /[1-9]\d* frames\/s/);
  assert.equal((await backend.api("GET", "status")).proxy.status.enabled, true);
  await order("leave", "hall-a", GROUP);
  await done(page);
});

test("the provider's connection: what cannot be it says why, and another one is taken live", async () => {
  const page = await inside(backend, { view: "#/igmp-proxy" });
  const choice = (device) => `.connection[data-device="${device}"]`;
  for (const [device, ...reasons] of [
    ["br0", "Bridge", "already floods or snoops"],
    ["tun0", "TUN", "without Ethernet headers"],
    ["mgmt", "This page comes by it", "192.168.50.1/24"],
  ]) {
    assert.equal(await page.isDisabled(`${choice(device)} input`), true, device);
    for (const reason of reasons) {
      await says(page, choice(device), reason);
    }
  }
  await says(page, choice("wan"), "provider");
  await says(page, choice("hall-a"), "client port");
  await shoot(page, "provider", true);
  await order("send", "spare", GROUP, "100");
  await order("join", "hall-a", GROUP);
  await page.click(`${choice("spare")} label`);
  await page.fill('.port.new[data-name="spare"] input', "10.3.0.1/24");
  await apply(page, "New port", "Connection to the provider");
  const status = await backend.api("GET", "status");
  assert.equal(status.proxy.status.upstream, "spare");
  await says(page, choice("spare"), "provider");
  await says(page, ".lights", /[1-9]\d* frames\/s/);
  const ports = (await backend.api("GET", "ports")).ports;
  assert.ok(ports.find(({ name }) => name === "spare").rx_frames > 0, "the stream comes from there");

  await page.click(`${choice("wan")} label`);
  await apply(page, "Connection to the provider");
  assert.equal((await backend.api("GET", "status")).proxy.status.upstream, "wan");
  await page.click('details.port[data-name="spare"] summary');
  await page.click('details.port[data-name="spare"] button.danger');
  await apply(page, "Port is removed");
  assert.deepEqual((await backend.api("GET", "ports")).ports.map(({ name }) => name), ["wan", "hall-a", "hall-b"]);
  await order("quiet", "spare", GROUP);
  await order("leave", "hall-a", GROUP);
  await done(page);
});

test("a value that does not pass is told at its field, and changes nothing", async () => {
  const page = await inside(backend, { view: "#/igmp-proxy" });
  await page.click('details.port[data-name="hall-a"] summary');
  const field = '[data-port="hall-a"][data-key="max-groups"]';
  await page.fill(`${field} input`, "0");
  await says(page, `${field} .error`, "it takes a whole number from 1");
  assert.equal(await page.getAttribute(`${field} input`, "aria-invalid"), "true");
  await page.click(".bar button.main");
  await page.waitForFunction((selector) => document.activeElement === document.querySelector(selector), `${field} input`);
  assert.equal(await page.locator("dialog").count(), 0, "nothing to apply");
  await shoot(page, "refused");
  await page.fill(`${field} input`, "40");
  await page.waitForFunction((selector) => !document.querySelector(selector).textContent, `${field} .error`);
  await page.fill('[data-port="hall-a"][data-key="access"] textarea', "allow 239.2.0.0/16\ndeny 224.0.0.0/4");
  await apply(page, "Most groups at a time", "Access rules");
  const { policies, max_groups } = (await backend.api("GET", "ports")).ports.find(({ name }) => name === "hall-a");
  assert.deepEqual([policies, max_groups], [{ access: '["allow 239.2.0.0/16", "deny 224.0.0.0/4"]' }, 40]);
  for (const key of ["max-groups", "access"]) {
    await page.click(`[data-port="hall-a"][data-key="${key}"] button:has-text("Reset")`);
  }
  await apply(page, "Most groups at a time");
  await done(page);
});

// Whether the page hears of it by the stream before it applies, or by the proxy's refusal, is a matter of half a second.
for (const heard of [false, true]) {
  test(`what somebody else changes meanwhile is noticed, shown, and not overwritten, ${heard ? "heard of" : "not heard of"} before`, async () => {
    const page = await inside(backend, { view: "#/igmp-proxy" });
    await page.click('details.port[data-name="hall-a"] summary');
    await page.fill('[data-port="hall-a"][data-key="max-groups"] input', "50");
    await page.click(".bar button.main");
    await says(page, "dialog.box .changes tr", "50");
    await backend.api("POST", "changes", { edits: [{ port: "hall-a", key: "max-groups", value: "60" }] });
    if (heard) {
      await says(page, ".others tr", "60");
    }
    await page.click("dialog.box button.main");
    await page.locator("dialog.box").waitFor({ state: "detached" });
    await says(page, ".others", "Somebody else changed the settings");
    await says(page, ".others tr", "60");
    await says(page, ".others tr", "you changed this, too");
    await shoot(page, "others");
    const inForce = async () => (await backend.api("GET", "ports")).ports.find(({ name }) => name === "hall-a").max_groups;
    assert.equal(await inForce(), 60);
    assert.equal(await page.inputValue('[data-port="hall-a"][data-key="max-groups"] input'), "50", "ours is still there");
    await page.click(".others button.main");
    await apply(page, "Most groups at a time");
    assert.equal(await inForce(), 50);
    await backend.api("POST", "changes", { edits: [{ port: "hall-a", key: "max-groups", value: null }] });
    await done(page);
  });
}

test("settings that are others without a value that differs ask for one more look at what is applied", async () => {
  const page = await inside(backend, { view: "#/igmp-proxy" });
  await page.click('details.port[data-name="hall-a"] summary');
  await page.fill('[data-port="hall-a"][data-key="max-groups"] input', "50");
  await page.click(".bar button.main");
  await says(page, "dialog.box .changes tr", "50");
  const body = JSON.stringify({ type: "urn:manifold:problem:conflict", title: "Conflict", status: 409, detail: "", cure: "", problems: [] });
  await page.route("**/api/v1/changes", (route) => route.fulfill({ status: 409, contentType: "application/problem+json", body }), { times: 1 });
  await page.click("dialog.box button.main");
  await says(page, "dialog.box .error", "The settings were read anew meanwhile");
  await page.click("dialog.box button.main");
  await page.locator(".note.good").waitFor();
  await backend.api("POST", "changes", { edits: [{ port: "hall-a", key: "max-groups", value: null }] });
  await done(page);
});

test("a viewer sees all, and finds the switch and the forms locked", async () => {
  const page = await inside(backend, { user: "vic", view: "#/igmp-proxy" });
  await says(page, "#viewer-note", "vic is a viewer");
  assert.equal(await page.isDisabled("#switch"), true);
  assert.equal(await page.locator(".connection input:enabled").count(), 0);
  await page.click('details.port[data-name="hall-b"] summary');
  assert.equal(await page.locator(".inside-port :is(input, select, textarea, button):enabled").count(), 0);
  assert.equal(await page.locator(".bar").isVisible(), false);
  await shoot(page, "viewer");
  await done(page);
});

test("Russian, by the browser's language and by choice, which is remembered", async () => {
  const page = await inside(backend, { locale: "ru-RU", dark: true, view: "#/igmp-proxy" });
  assert.equal(await page.getAttribute("html", "lang"), "ru");
  await says(page, ".panel h2", "Подключение к провайдеру");
  await says(page, '.connection[data-device="br0"]', "Мост: он уже сам передаёт мультикаст");
  await says(page, '.connection[data-device="br0"]', "Выведите из него участника");
  await shoot(page, "provider-ru-dark", true);
  await page.click('details.port[data-name="hall-a"] summary');
  const limit = '[data-port="hall-a"][data-key="max-groups"]';
  await page.fill(`${limit} input`, "0");
  await says(page, `${limit} .error`, "допустимо целое число от 1");
  await page.fill(`${limit} input`, "50");
  await page.waitForFunction((selector) => !document.querySelector(selector).textContent, `${limit} .error`);
  await page.click(".bar button.main");
  await page.click("dialog.box button.main");
  await says(page, ".note.good li", "порт hall-a: max-groups – 50, не было задано");
  assert.equal(await page.locator('.note.good [lang=en], details.port[data-name="hall-a"] [lang=en]').count(), 0, "nothing is left in English");
  await backend.api("POST", "changes", { edits: [{ port: "hall-a", key: "max-groups", value: null }] });
  await page.selectOption(".looks select >> nth=0", "en");
  await says(page, ".panel h2", "Connection to the provider");
  await page.reload();
  await says(page, ".panel h2", "Connection to the provider");
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
  await page.selectOption(".looks select >> nth=1", "light");
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "light");
  await done(page);
});

test("why a channel is dark is told in Russian", async () => {
  const silent = "239.7.7.7";
  await order("join", "hall-a", silent);
  const page = await inside(backend, { locale: "ru-RU", dark: true, width: 1180, height: 820 });
  await page.click(`${row(silent)} button`);
  // The provider has some seconds to answer.
  while ((await page.locator("dialog.drawer .verdict").textContent()).includes("у провайдера она запрошена только что")) {
    const answered = page.waitForResponse(/explain/);
    await page.click('dialog.drawer button:text-is("Ещё раз")');
    await answered;
    await page.locator("dialog.drawer .answer[aria-busy=false]").waitFor();
  }
  await says(page, "dialog.drawer .verdict", "не пришло ни кадра; провайдер ни разу не опрашивал");
  await says(page, "dialog.drawer .verdict", "Что поможет: задайте `re-report-interval` порта провайдера");
  assert.equal(await page.locator("dialog.drawer [lang=en]").count(), 0, "nothing is left in English");
  await shoot(page, "explain-ru-dark");
  await order("leave", "hall-a", silent);
  await done(page);
});

test("a phone's width holds everything, in both languages", async () => {
  await order("join", "hall-a", GROUP);
  for (const locale of ["en-US", "ru-RU"]) {
    const page = await inside(backend, { width: 360, height: 740, locale });
    await page.waitForSelector(row(GROUP));
    assert.equal(await overflow(page), 0, `now, ${locale}`);
    await shoot(page, `now-phone-${locale.slice(0, 2)}`, true);
    await page.click(`${row(GROUP)} button`);
    await page.locator("dialog.drawer .verdict").waitFor();
    assert.equal(await overflow(page), 0, `explain, ${locale}`);
    await shoot(page, `explain-phone-${locale.slice(0, 2)}`);
    await page.keyboard.press("Escape");
    await page.click('nav a[href="#/igmp-proxy"]');
    await page.locator(".connection").first().waitFor();
    await page.click('details.port[data-name="hall-a"] summary');
    assert.equal(await overflow(page), 0, `service, ${locale}`);
    await shoot(page, `service-phone-${locale.slice(0, 2)}`, true);
    await done(page);
  }
  await order("leave", "hall-a", GROUP);
});

test("the keyboard reaches everything, and what has it is seen", async () => {
  const page = await inside(backend, { view: "#/igmp-proxy" });
  // From the top of the page.
  await page.reload();
  await page.locator(".connection").first().waitFor();
  const reached = new Set();
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press("Tab");
    const [name, outlined, tag] = await page.evaluate(() => {
      const at = document.activeElement;
      return [at.id || at.className || at.tagName, getComputedStyle(at).outlineStyle !== "none", at.tagName];
    });
    if (tag === "BODY") {
      // Once around: the browser's own parts come next.
      break;
    }
    assert.ok(outlined, `${name} has the focus, and nobody sees it`);
    reached.add(name);
  }
  for (const name of ["skip", "brand", "switch"]) {
    assert.ok(reached.has(name), `${name} of ${[...reached]}`);
  }
  const unnamed = await page.evaluate(() =>
    [...document.querySelectorAll("main :is(button, input, select, textarea)")]
      .filter((node) => !(node.labels?.length || node.textContent.trim() || node.getAttribute("aria-label") || node.getAttribute("aria-labelledby")))
      .map((node) => node.outerHTML),
  );
  assert.deepEqual(unnamed, []);
  await done(page);
});

test("while the proxy is down the page says so and why, and goes on when it is back", async () => {
  const page = await inside(backend);
  await order("stop");
  await says(page, ".outage", "The proxy has not answered for");
  await says(page, ".outage", "systemctl start manifold");
  await says(page, ".lights", "no answer");
  await shoot(page, "proxy-down");
  await order("start");
  await page.locator(".outage").waitFor({ state: "hidden" });
  await done(page);
});

test("while the backend is away the page says so, and asks who is there when it is back", async () => {
  const page = await inside(backend);
  await backend.stop("SIGKILL");
  await says(page, ".outage", "The backend does not answer");
  await backend.run();
  // Sessions are the process's: there is a way in again, without a reload.
  await page.locator("#user").waitFor();
  await logIn(page);
  await page.locator(".now").waitFor();
  await done(page);
});
