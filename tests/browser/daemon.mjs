// An instructd of the tests' own: a tiny random model, a free port, a data directory that goes with it.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./harness.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = process.env.INSTRUCTD_BIN ?? join(root, "build/bin/instructd");
const cli = join(root, "build/bin/instruct");

/** People with keys of their own, and what these open. */
const people = {
  user: "playground", ada: "playground", eve: "playground",
  anna: "label:demo,label:rank", bert: "label:demo,label:rank", cleo: "label:demo,label:rank",
  boss: "label:*,train,playground",
};
export const keyOf = (name) => `sk-inst-${name}`;
const keyFile = Object.entries(people).map(([name, scopes]) =>
  `${name} ${scopes} ${createHash("sha256").update(keyOf(name)).digest("hex")}\n`).join("");

export function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

const tiny = ["--layers", "2", "--dim", "32", "--heads", "2"];
/** Slow enough that an answer of 15,000 tokens is still under way when somebody stops it. */
export const slow = ["--layers", "8", "--dim", "384", "--heads", "6", "--kv-heads", "1"];

export class Daemon {
  static async start(shape = tiny) {
    const d = new Daemon();
    d.dir = mkdtempSync(join(tmpdir(), "instructd-browser-"));
    d.model = join(d.dir, "model");
    execFileSync(cli, ["model", "new", "--arch", "llama", ...shape, "--context", "16384", "--seed", "3",
                       "--out", d.model]);
    writeFileSync(join(d.dir, "keys"), keyFile);
    d.port = await freePort();
    d.url = `http://127.0.0.1:${d.port}`;
    await d.up();
    return d;
  }

  /** Starts the process; `ready` false: returns once it listens. */
  async up(ready = true) {
    const log = openSync(join(this.dir, "log.txt"), "a");
    const flags = { port: String(this.port), model: this.model, "data-dir": join(this.dir, "data"),
                    "key-file": join(this.dir, "keys"), "kv-memory": "128MiB", threads: "1" };
    this.process = spawn(bin, Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]),
                         { stdio: ["ignore", log, log] });
    this.ended = new Promise((done) => this.process.once("exit", done));
    const path = ready ? "/ready" : "/health";
    await until("the daemon", () => fetch(this.url + path).then((r) => r.ok, () => false));
    this.key = readFileSync(join(this.dir, "data/admin.key"), "utf8").trim();
  }

  async down() {
    this.process.kill("SIGTERM");
    await this.ended;
  }

  async end() {
    await this.down();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async call(method, path, body) {
    const headers = { "x-api-key": this.key, ...(body ? { "content-type": "application/json" } : {}) };
    const reply = await fetch(this.url + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${method} ${path} answered ${reply.status}: ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** The sum of a metric over its labels. */
  async metric(name) {
    const reply = await fetch(`${this.url}/metrics`, { headers: { "x-api-key": this.key } });
    const lines = (await reply.text()).split("\n").filter((line) => /^instructd_/.test(line));
    return lines.filter((line) => line.slice(10).replace(/[{ ].*/, "") === name)
      .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  /** Uploads rows as JSONL; the file's id. */
  async upload(name, rows) {
    const form = new FormData();
    form.append("purpose", "fine-tune");
    form.append("file", new Blob([rows.map((row) => JSON.stringify(row) + "\n").join("")]), name);
    const reply = await fetch(`${this.url}/v1/files`,
                              { method: "POST", headers: { "x-api-key": this.key }, body: form });
    return (await reply.json()).id;
  }
}

export const demonstrations = Array.from({ length: 48 }, (_, n) =>
  ({ prompt: `say ${n}:`, completion: ` ${(n * 7) % 10}` }));

/** Hyperparameters of a job that ends soon; more epochs for one that can be watched. */
export const quick = (n_epochs) => ({ n_epochs, batch_size: 8, learning_rate: 1e-3, dropout: 0 });
