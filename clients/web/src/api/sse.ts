/** Server-sent events out of bytes that arrive in any pieces. EventSource would do, but sends no key.
 *  The server writes LF line ends; CRLF is taken too. */
export interface ServerEvent {
  event: string; // "message" when the server named none
  id: string;
  data: string;
}

export async function* readEvents(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<ServerEvent, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let event = "message";
  let id = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      for (let end; (end = text.indexOf("\n")) >= 0; ) {
        const line = text.slice(0, end).replace(/\r$/, "");
        text = text.slice(end + 1);
        if (line === "") {
          if (data.length) yield { event, id, data: data.join("\n") };
          event = "message";
          data = [];
        } else if (line[0] !== ":") {
          const colon = line.indexOf(":");
          const name = colon < 0 ? line : line.slice(0, colon);
          const rest = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
          if (name === "data") data.push(rest);
          else if (name === "event") event = rest;
          else if (name === "id") id = rest;
        }
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
