// What this machine cannot make: kinds of connections that its kernel has not, and hundreds of groups.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { CONNECTIONS, script } from "./fake.mjs";
import { Backend, closeBrowser, done, fakeProxy, inside, open, shoot } from "./stage.mjs";

const GROUPS = 640;
let backend;

before(async () => {
  backend = (await Backend.start(await fakeProxy("many", script(GROUPS)))).users();
});

after(async () => {
  await closeBrowser();
  await backend?.stop();
});

test("VLAN, PPPoE and VPN, by recorded link messages, are greyed with their reasons; a NIC that DPDK has is not", async () => {
  const page = await inside(backend, { view: "#/igmp-proxy" });
  const greyed = CONNECTIONS.filter(({ usable }) => !usable).map(({ device }) => device);
  assert.deepEqual(greyed, ["eth1", "eth1.5", "eth7", "ppp0", "wg0", "bond0", "gre1"]);
  for (const { device, usable, obstacles } of CONNECTIONS) {
    const choice = page.locator(`.connection[data-device="${device}"]`);
    assert.equal(await choice.locator("input").isDisabled(), !usable, device);
    for (const { reason, cure } of obstacles) {
      const text = await choice.textContent();
      assert.ok(text.includes(`${device} ${reason}`) && text.includes(cure), text);
    }
  }
  await shoot(page, "kinds", true);
  await page.selectOption(".looks select >> nth=0", "ru");
  for (const [device, ...words] of [
    ["eth1.5", "VLAN: прокси берёт Ethernet-подключения целиком", "Возьмите eth1:"],
    ["ppp0", "PPPoE и PPP: это не кадры Ethernet", "Возьмите интерфейс Ethernet"],
    ["eth7", "По нему идут сеансы PPPoE, они были бы отрезаны. Сколько: 1.", "Завершите сеанс"],
    ["eth1", "На нём стоят другие интерфейсы, они были бы отрезаны: eth1.5.", "ip link del dev eth1.5"],
    ["wg0", "VPN: пакеты IP без заголовков Ethernet"],
  ]) {
    const choice = page.locator(`.connection[data-device="${device}"]`);
    await choice.filter({ hasText: words[0] }).waitFor();
    const text = await choice.textContent();
    assert.ok(words.every((part) => text.includes(part)), text);
    const { reason } = CONNECTIONS.find((connection) => connection.device === device).obstacles[0];
    assert.ok(!text.includes(reason), text);
  }
  await shoot(page, "kinds-ru", true);
  await done(page);
});

test("why a channel is dark is told in Russian, figures and cures as well", async () => {
  const page = await inside(backend, { locale: "ru-RU" });
  await page.click(".groups tbody button");
  const panel = page.locator("dialog.drawer");
  await panel.locator(".checks li").first().waitFor();
  assert.equal(await panel.locator("[lang=en]").count(), 0);
  const text = await panel.textContent();
  for (const words of [
    "передаётся: hall-a; не идёт на hall-b: запрещает правило доступа `deny 239.5.0.0/16`",
    "поставьте в `access` порта hall-b перед этим правилом другое, разрешающее",
    "отбрасываются 2 из 9: TTL исчерпан",
  ]) {
    assert.ok(text.includes(words), text);
  }
  await shoot(page, "explain-ru");
  await done(page);
});

test("hundreds of groups: pages, search and order, and rows that stay while figures move", async () => {
  const page = await inside(backend);
  await page.waitForFunction(() => document.querySelectorAll(".groups tbody tr").length === 100);
  const tally = page.locator(".panel-head [role=status]");
  assert.equal(await tally.textContent(), `${GROUPS} groups`);
  // Rows are the same elements after many messages, and what they show has moved.
  await page.evaluate(() => {
    globalThis.kept = [...document.querySelectorAll(".groups tbody tr")];
    globalThis.points = globalThis.kept[0].querySelector("polyline").getAttribute("points");
    globalThis.moved = 0;
    new MutationObserver((records) => {
      globalThis.moved += records.length;
    }).observe(document.querySelector(".groups tbody"), { childList: true });
  });
  await page.waitForFunction(() => globalThis.kept[0].querySelector("polyline").getAttribute("points") !== globalThis.points);
  assert.equal(await page.evaluate(() => globalThis.moved), 0, "no row came, went or moved");
  assert.equal(await page.evaluate(() => globalThis.kept.every((row) => row.isConnected)), true);
  await shoot(page, "now-many");

  await page.click('.pager button:text-is("Next")');
  await page.locator('.groups button:text-is("239.5.0.101")').waitFor();
  await page.fill(".search-box input", "239.5.3.");
  await page.waitForFunction(() => document.querySelectorAll(".groups tbody tr").length === 40);
  await page.fill(".search-box input", "");
  await page.check(".check input");
  await page.waitForFunction((of) => /^\d+ of /.test(document.querySelector(".panel-head [role=status]").textContent) && of > 0, GROUPS);
  const states = await page.locator(".groups .standing").allTextContents();
  assert.ok(states.length > 10 && states.every((text) => /no carrier|no frames arrive/.test(text)), states.join());
  await page.uncheck(".check input");
  await page.click('.groups .sort:text-is("Rate")');
  await page.locator('.groups th[aria-sort="descending"]', { hasText: "Rate" }).waitFor();
  await shoot(page, "now-by-rate");
  await done(page);
});

test("others' changes that come while one's own are reviewed are to be seen first", async (t) => {
  const now = { revision: 5, upstream: '"wan"' };
  const play = script(1);
  const socket = await fakeProxy("others", (word, argument) => {
    const reply = play(word, argument);
    for (const told of [reply.status, reply.settings, reply.preview]) {
      Object.assign(told ?? {}, { revision: now.revision });
    }
    Object.assign(reply.settings?.proxy.find(({ key }) => key === "upstream") ?? {}, { value: now.upstream });
    return reply;
  });
  const own = (await Backend.start(socket)).users();
  t.after(() => own.stop());
  const page = await inside(own, { view: "#/igmp-proxy" });
  await page.click("#switch");
  let release;
  const released = new Promise((done) => (release = done));
  await page.route("**/api/v1/preview", (route) => released.then(() => route.continue()));
  await page.click(".bar button.main");
  Object.assign(now, { revision: 6, upstream: '"hall-a"' });
  await page.locator(".others").waitFor();
  // What came is not looked at.
  await page.evaluate(() => document.activeElement.blur());
  release();
  await page.waitForFunction(() => document.activeElement.matches(".others button.main"));
  assert.equal(await page.locator("dialog").count(), 0);
  await done(page);
});

test("a page whose files do not all come says so, and comes when they do", async () => {
  const page = await open(backend);
  await page.locator("#user").waitFor();
  let lost = 0;
  await page.route("**/told.js", (route) => (lost++ === 0 ? route.abort() : route.continue()));
  await page.reload();
  await page.locator("[role=alert]").filter({ hasText: "tries again" }).waitFor();
  await page.locator("#user").waitFor();
  assert.equal(lost, 2);
  await done(page);
});
