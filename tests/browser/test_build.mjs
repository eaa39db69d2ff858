// The pages of the build under test.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { equal, test } from "./harness.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

function contents(folder) {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(names.map((name) =>
    [name.slice(folder.length), readFileSync(name).toString("base64")]));
}

test("text becomes markup in one place alone", async () => {
  const source = join(root, "clients/web/src");
  const ways = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|\beval\(|new Function|javascript:/;
  const found = readdirSync(source, { recursive: true }).filter((name) => /\.tsx?$/.test(name))
    .filter((name) => ways.test(readFileSync(join(source, name), "utf8")));
  equal("files that make markup of text", found, ["text/render_safe.ts"]);
});

test("another build, elsewhere, gives the same bytes", async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), "instructd-pages-"));
  const web = join(root, "clients/web");
  cpSync(web, elsewhere, { recursive: true, filter: (path) => !path.includes("node_modules") });
  symlinkSync(join(web, "node_modules"), join(elsewhere, "node_modules"));
  execFileSync("npx", ["vite", "build", "--logLevel", "warn", "--outDir", "pages"],
               { cwd: elsewhere, stdio: "pipe" });
  equal("the pages", contents(join(elsewhere, "pages")), contents(join(root, "build/clients/web/pages")));
  rmSync(elsewhere, { recursive: true });
});
