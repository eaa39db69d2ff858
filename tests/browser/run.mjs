// The pages in a real browser, on a real daemon. Words on the command line choose tests by their names.
//
//     node tests/browser/run.mjs [WORD...]
import { hasBrowser, executable, launch } from "./browser.mjs";
import { Daemon } from "./daemon.mjs";
import { run } from "./harness.mjs";

if (!hasBrowser()) {
  console.log(`- the pages in a browser\n  skipped: there is no ${executable} here`);
  console.log("0 passed, 0 failed, 1 skipped");
  process.exit(0);
}
await import("./test_build.mjs");
await import("./test_language.mjs");
await import("./test_playground.mjs");
await import("./test_settings.mjs");
await import("./test_code.mjs");
await import("./test_people.mjs");
await import("./test_keyboard.mjs");
await import("./test_hostile_text.mjs");
await import("./test_training.mjs");
await import("./test_label.mjs");
await import("./test_looks.mjs");
await import("./test_loop.mjs");
await import("./test_restart.mjs");

const daemon = await Daemon.start();
const browser = await launch();
let failed = 1;
try {
  failed = await run(process.argv.slice(2), { daemon, browser });
} finally {
  await browser.close();
  await daemon.end();
}
process.exit(failed ? 1 : 0);
