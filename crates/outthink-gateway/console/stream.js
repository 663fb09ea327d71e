// Requests, and replies that come event by event.

// fetch, with words for a server that is not there.
export async function ask(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is `outthink serve` still running?");
  }
}

export async function refusal(reply) {
  try {
    return (await reply.json()).error.message;
  } catch {
    return `The server answered with HTTP ${reply.status}.`;
  }
}

// Server-sent events from a body.
export async function* events(body) {
  const decoder = new TextDecoder();
  let rest = "";
  for (const reader = body.getReader(); ; ) {
    let read;
    try {
      read = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      return;
    }
    const { value, done } = read;
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const frames = rest.split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const of = (field) =>
        frame.split("\n").filter((line) => line.startsWith(field + ": ")).map((line) => line.slice(field.length + 2)).join("\n");
      if (of("data")) yield { name: of("event"), data: of("data") };
    }
  }
}
