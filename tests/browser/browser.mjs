// Chromium, and pages that note whatever a page must not do.
import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { check } from "./harness.mjs";

export const executable = process.env.INSTRUCTD_CHROMIUM ?? "/usr/bin/chromium";
export const hasBrowser = () => existsSync(executable);

const pictures = fileURLToPath(new URL("../../build/screenshots", import.meta.url));
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const launch = () => chromium.launch({
  executablePath: executable,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** A page in a fresh profile; page.faults collects errors, policy reports and requests to elsewhere. */
export async function newPage(browser, origin, options = {}) {
  const { width = 1280, height = 860, ...others } = options;
  const context = await browser.newContext({ viewport: { width, height }, locale: "en-US",
                                             reducedMotion: "reduce", ...others });
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(`script: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !text.startsWith("Failed to load resource"))
      page.faults.push(`console: ${text}`);
  });
  page.on("dialog", (dialog) => {
    page.faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith(origin) && !/^(data|blob|about):/.test(to)) page.faults.push(`request: ${to}`);
  });
  return page;
}

/** Waits for the response, and for the frame that shows what the page makes of it. */
export async function hasShown(page, response) {
  await (await response).finished();
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** Fails for what the page did that it must not. */
export function expectClean(page) {
  check(page.faults.length === 0, `the page did: ${page.faults.join("; ")}`);
}

export async function picture(page, name) {
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

/** axe-core's findings, as text; "" for none. Runs beside the page's own policy. */
export async function axeFindings(page) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
  }));
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 4).join(", ")}`)
    .join("\n");
}

export const sidewaysScroll = (page) => page.evaluate(() =>
  document.documentElement.scrollWidth - document.documentElement.clientWidth);
