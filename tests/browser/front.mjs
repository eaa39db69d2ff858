// A server in front of the daemon: passes everything on, but answers chosen routes itself. Pages and
// their headers stay the daemon's own.
import { createServer, request } from "node:http";
import { freePort } from "./daemon.mjs";

/** answers: {"POST /v1/votes": (body, response, request) => …}; may be changed while it runs. */
export async function startFront(daemon, answers) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = createServer((req, res) => {
    const path = req.url.split("?")[0];
    const answer = answers[`${req.method} ${path}`];
    if (answer) return void withBody(req, (body) => answer(body, res, req));
    const headers = { ...req.headers, host: `127.0.0.1:${daemon.port}` };
    if (headers.origin === url) headers.origin = daemon.url;
    const onward = request(
      { host: "127.0.0.1", port: daemon.port, method: req.method, path: req.url, headers },
      (reply) => {
        res.writeHead(reply.statusCode, reply.headers);
        res.flushHeaders(); // a stream's head must not wait for its first event
        reply.pipe(res);
      });
    onward.on("error", () => res.destroy());
    res.on("close", () => onward.destroy());
    req.pipe(onward);
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return {
    url,
    stop: () => new Promise((done) => {
      server.closeAllConnections();
      server.close(done);
    }),
  };
}

function withBody(req, done) {
  let text = "";
  req.setEncoding("utf8");
  req.on("data", (piece) => (text += piece));
  req.on("end", () => done(text ? JSON.parse(text) : null));
}

export function json(res, status, value) {
  res.writeHead(status, { "content-type": "application/json", "x-request-id": "req_front" });
  res.end(value === undefined ? "" : JSON.stringify(value));
}
