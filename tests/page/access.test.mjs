// Every view by the rules of axe-core, in both themes, wide and narrow.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import axe from "axe-core";
import { script } from "./fake.mjs";
import { Backend, closeBrowser, done, fakeProxy, inside, logIn, open } from "./stage.mjs";

let backend;

before(async () => {
  backend = (await Backend.start(await fakeProxy("access", script(12)))).users();
});

after(async () => {
  await closeBrowser();
  await backend?.stop();
});

/** What keeps people out, in words. */
async function faults(page, view) {
  // By the debugger, whom the page's policy does not bind; again, as a reload takes it away.
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  assert.ok(passes.length > 10, `${view}: there was something to look at`);
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${view}: ${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`);
}

for (const dark of [false, true]) {
  for (const width of [1440, 360]) {
    test(`nothing serious stands in anybody's way, ${dark ? "dark" : "light"}, ${width} wide`, async () => {
      const found = [];
      const look = async (page, view) => found.push(...(await faults(page, view)));
      const page = await open(backend, { dark, width, height: 800 });
      await page.locator("#user").waitFor();
      await look(page, "login");
      await logIn(page);
      await page.waitForFunction(() => document.querySelectorAll(".groups tbody tr").length === 12);
      await look(page, "now");
      await page.click(".groups tbody button");
      await page.locator("dialog.drawer .checks li").first().waitFor();
      await look(page, "explain");
      await page.keyboard.press("Escape");
      await page.locator("dialog").waitFor({ state: "detached" });
      await page.click(".ports tbody button");
      await page.locator("dialog.drawer .counters").first().waitFor();
      await look(page, "port");
      await page.keyboard.press("Escape");
      await page.locator("dialog").waitFor({ state: "detached" });
      await page.click('nav a[href="#/igmp-proxy"]');
      await page.locator(".connection").first().waitFor();
      await page.click("details.port summary");
      await look(page, "service");
      await page.click("#switch");
      await page.click(".bar button.main");
      await page.locator("dialog.box .changes").waitFor();
      await look(page, "review");
      await done(page);
      const viewer = await inside(backend, { user: "vic", dark, width, view: "#/igmp-proxy" });
      await look(viewer, "viewer");
      await done(viewer);
      assert.deepEqual(found, []);
    });
  }
}
