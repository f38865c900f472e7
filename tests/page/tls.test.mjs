// The page under TLS, as every address but loopback has it.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { script } from "./fake.mjs";
import { Backend, closeBrowser, done, fakeProxy, inside } from "./stage.mjs";

let backend;

before(async () => {
  backend = (await Backend.start(await fakeProxy("tls", script(3)), { tls: true })).users();
});

after(async () => {
  await closeBrowser();
  await backend?.stop();
});

test("under TLS one gets in, sees what moves, and the session is for TLS alone", async () => {
  const page = await inside(backend);
  await page.waitForFunction(() => document.querySelectorAll(".groups tbody tr").length === 3);
  await page.waitForFunction(() => /[1-9].*bit\/s/.test(document.querySelector(".groups .rate").textContent));
  assert.equal(await page.evaluate(() => isSecureContext && location.protocol), "https:");
  const [cookie, ...others] = await page.context().cookies();
  assert.deepEqual([cookie.secure, cookie.httpOnly, cookie.sameSite, others], [true, true, "Strict", []]);
  assert.equal(await page.evaluate(() => document.cookie), "", "no script sees it");
  const answer = await page.reload();
  assert.match(answer.headers()["strict-transport-security"], /max-age=[1-9]/);
  await page.locator(".now").waitFor();
  await page.click('nav a[href="#/igmp-proxy"]');
  await page.locator(".connection").first().waitFor();
  await page.click(".who button");
  await page.locator("#user").waitFor();
  assert.deepEqual((await page.context().cookies()).filter(({ value }) => value), [], "logged out");
  await done(page);
});
