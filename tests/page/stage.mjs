// What the tests stand on: orders to the stage, backends, a browser, and a proxy that is a script.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const { STAGE_ORDERS, STAGE_SOCKET, STAGE_SCRATCH, STAGE_BACKEND, STAGE_PAGE } = process.env;
const SHOTS = fileURLToPath(new URL("../../target/page", import.meta.url));

/** For whatever should come soon, on a machine that is busy elsewhere. */
export const SOON = 60_000;
export const PASSWORD = "correct horse battery";
/** The proxy's own socket. */
export const SOCKET = STAGE_SOCKET;

let orders;

/** Has the stage do something, and waits until it is done. */
export async function order(...words) {
  if (!orders) {
    const socket = net.connect(STAGE_ORDERS);
    socket.unref();
    orders = { socket, lines: readline.createInterface({ input: socket })[Symbol.asyncIterator]() };
  }
  orders.socket.ref();
  orders.socket.write(`${words.join(" ")}\n`);
  const { value } = await orders.lines.next();
  orders.socket.unref();
  assert.equal(value, "ok", words.join(" "));
}

async function freePort() {
  const server = net.createServer().listen(0, STAGE_PAGE);
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** Makes a certificate, and gives what names it in the settings. */
function certificate(folder) {
  const [certificate, key] = ["crt", "key"].map((ending) => path.join(folder, `backend.${ending}`));
  const made = spawnSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=manifold",
      "-addext", `subjectAltName=IP:${STAGE_PAGE}`, "-keyout", key, "-out", certificate],
    { encoding: "utf8" },
  );
  assert.equal(made.status, 0, made.stderr);
  return `certificate = "${certificate}"\nkey = "${key}"\n`;
}

/** A running `manifold-backend` beside the proxy at `socket`. */
export class Backend {
  static async start(socket = STAGE_SOCKET, { tls = false } = {}) {
    const own = new Backend();
    const port = await freePort();
    own.url = `${tls ? "https" : "http"}://${STAGE_PAGE}:${port}/`;
    const folder = fs.mkdtempSync(path.join(STAGE_SCRATCH, "backend-"));
    own.log = path.join(folder, "log");
    own.settings = path.join(folder, "backend.toml");
    fs.writeFileSync(
      own.settings,
      `listen = "${STAGE_PAGE}:${port}"\nunit = false\nsocket = "${socket}"\nstate-dir = "${folder}/state"\n` +
        (tls ? `[tls]\n${certificate(folder)}` : "allow-public-without-tls = true\n"),
    );
    await own.run();
    return own;
  }

  /** Starts it, and waits until it serves. */
  async run() {
    const log = fs.openSync(this.log, "a");
    this.process = spawn(STAGE_BACKEND, ["-c", this.settings, "run"], { stdio: ["ignore", log, log] });
    for (const end = Date.now() + SOON; ; ) {
      const up = await new Promise((done) => {
        // A certificate of our own, which nobody vouches for.
        const [get, options] = this.url.startsWith("https") ? [https.get, { rejectUnauthorized: false }] : [http.get, {}];
        const request = get(this.url, options, (answer) => done(answer.resume() && true));
        request.on("error", () => done(false));
      });
      if (up) {
        return;
      }
      assert.ok(Date.now() < end && this.process.exitCode === null, fs.readFileSync(this.log, "utf8"));
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  async stop(signal = "SIGTERM") {
    const ended = once(this.process, "exit");
    this.process.kill(signal);
    await ended;
  }

  /** The terminal's part: `manifold-backend user set`, and the like. */
  terminal(words, input = "") {
    const done = spawnSync(STAGE_BACKEND, ["-c", this.settings, ...words], { input, encoding: "utf8" });
    assert.equal(done.status, 0, done.stderr);
    return done.stdout.trim();
  }

  users() {
    this.terminal(["user", "set", "ann", "--role", "admin"], `${PASSWORD}\n`);
    this.terminal(["user", "set", "vic", "--role", "viewer"], `${PASSWORD}\n`);
    return this;
  }

  /** Another one's way in: the REST API by a token. */
  async api(method, place, body) {
    this.token ??= this.terminal(["token", "create", "tests", "--role", "admin"]);
    const answer = await fetch(`${this.url}api/v1/${place}`, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    });
    assert.ok(answer.ok, `${place}: ${answer.status}`);
    return answer.json();
  }
}

let browser;

/** A browser's window; what goes wrong inside is in `faults`. */
export async function open(backend, { width = 1440, height = 900, locale = "en-US", dark = false } = {}) {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Nobody but us is served here, and root has no sandbox.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  const context = await browser.newContext({
    viewport: { width, height },
    locale,
    colorScheme: dark ? "dark" : "light",
    ignoreHTTPSErrors: backend.url.startsWith("https"),
  });
  context.setDefaultTimeout(SOON);
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.stack));
  page.on("console", (message) => {
    // Browsers tell of every answer that is no success, which is looked at where it matters.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      page.faults.push(message.text());
    }
  });
  await page.goto(backend.url);
  return page;
}

export async function logIn(page, user = "ann", password = PASSWORD) {
  await page.fill("#user", user);
  await page.fill("#password", password);
  await page.click("button[type=submit]");
}

/** A window with somebody inside, at `view`. */
export async function inside(backend, { user = "ann", view = "#/now", ...looks } = {}) {
  const page = await open(backend, looks);
  await logIn(page, user);
  await page.waitForSelector("main#main");
  await page.evaluate((hash) => (location.hash = hash), view);
  await page.waitForSelector(view === "#/now" ? ".now" : ".service .connection");
  return page;
}

/** Ends a window; nothing may have gone wrong in it. */
export async function done(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

/** A picture, for people to look at: in target/page. */
export async function shoot(page, name, whole = false) {
  fs.mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: whole });
}

export const closeBrowser = () => browser?.close();

/** What the page is wider than its window by; tables scroll by themselves. */
export const overflow = (page) =>
  page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - innerWidth));

/** A proxy that answers by `script(name, argument)`: for what this kernel cannot make. */
export async function fakeProxy(name, script) {
  const place = path.join(STAGE_SCRATCH, `${name}.sock`);
  const server = net.createServer((socket) => {
    // A backend that ends may leave words unread: the socket says so, and the reader of lines says it again.
    const unread = () => {};
    const lines = readline.createInterface({ input: socket });
    socket.on("error", unread);
    lines.on("error", unread);
    lines.on("line", (line) => {
      const { request } = JSON.parse(line);
      const [word, argument] = typeof request === "string" ? [request, {}] : Object.entries(request)[0];
      socket.write(`${JSON.stringify(script(word, argument))}\n`);
    });
  });
  server.listen(place);
  await once(server, "listening");
  server.unref();
  return place;
}
