// The console: asks as any client would, with `trace`, and draws what it hears.

const $ = (id) => document.getElementById(id);
const fields = ["problem", "policy", "method", "budget", "verifier", "seed"];
let running = null;
let nodes = new Map();
let offered = new Set();

// ---- settings: in the address, so that a search can be shared

function settings() {
  return Object.fromEntries(fields.map((name) => [name, $(name).value]));
}

function address(values) {
  const kept = Object.entries(values).filter(([, value]) => value !== "");
  return "?" + new URLSearchParams(kept);
}

function restore() {
  const given = new URLSearchParams(location.search);
  for (const name of fields) {
    if (given.has(name)) {
      const value = given.get(name);
      const field = $(name);
      if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === value)) continue;
      field.value = value;
    }
  }
  if (!$("problem").value) $("problem").value = example();
}

// A problem that the policy can read: the embedded ones know one kind of text each.
function example() {
  return $("policy").value.startsWith("grid-")
    ? "Fill the grid:\n.1624.\n..3.56\n12..34\n3....1\n6.2415\n45.3.."
    : "Evaluate $(17+19)\\cdot 4-16$.";
}

function headers() {
  const key = $("key").value.trim();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function models() {
  const reply = await ask("v1/models", { headers: headers() });
  if (reply.status === 401) {
    $("key-label").hidden = false;
    status("This server wants an API key.");
    return;
  }
  if (!reply.ok) throw new Error(await refusal(reply));
  const listed = await reply.json();
  fill("policy", listed.outthink.policies);
  fill("verifier", [...listed.outthink.verifiers, "none"]);
  $("verifier").prepend(new Option("default", "", true, true));
  offered = new Set(listed.data.map((model) => model.id));
  restore();
  offer();
}

// The methods that the policy can use here.
function offer() {
  for (const option of $("method").options) {
    option.disabled = option.value !== "auto" && !offered.has(`${option.value}:${$("policy").value}`);
  }
  if ($("method").selectedOptions[0]?.disabled) $("method").value = "auto";
}

function fill(id, names) {
  $(id).replaceChildren(...names.map((name) => new Option(name, name)));
}

// ---- asking

$("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running) return;
  const asked = settings();
  if (!asked.seed) asked.seed = String(Math.floor(Math.random() * 1e6));
  history.replaceState(null, "", address(asked));
  clear();
  running = new AbortController();
  $("start").disabled = true;
  $("stop").disabled = false;
  status("Searching …");
  try {
    await search(asked, running.signal);
  } catch (error) {
    status(error.name === "AbortError" ? "Stopped." : error.message, error.name !== "AbortError");
  } finally {
    running = null;
    $("start").disabled = false;
    $("stop").disabled = true;
  }
});

$("stop").addEventListener("click", () => running?.abort());
$("key").addEventListener("change", models);
$("policy").addEventListener("change", offer);

async function search(asked, signal) {
  const reply = await ask("v1/chat/completions", {
    method: "POST",
    signal,
    headers: { "Content-Type": "application/json", ...headers() },
    body: JSON.stringify({
      model: asked.policy,
      messages: [{ role: "user", content: asked.problem }],
      stream: true,
      seed: Number(asked.seed),
      outthink: {
        method: asked.method,
        budget: asked.method === "cot" ? undefined : Number(asked.budget),
        // What was not chosen is left to the server.
        verifier: asked.verifier || undefined,
        trace: true,
      },
    }),
  });
  if (!reply.ok) throw new Error(await refusal(reply));
  for await (const { name, data } of events(reply.body)) {
    if (data === "[DONE]") return;
    const heard = JSON.parse(data);
    if (heard.error) throw new Error(heard.error.message);
    if (name === "outthink") hear(heard, asked);
  }
  throw new Error("The server closed the connection before the search was done.");
}

// fetch, with words for a server that is not there.
async function ask(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer.");
  }
}

async function refusal(reply) {
  try {
    return (await reply.json()).error.message;
  } catch {
    return `The server answered ${reply.status}.`;
  }
}

// Server-sent events from a body.
async function* events(body) {
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

// ---- hearing

function hear(event, asked) {
  if (event.type === "step") grow(event);
  else if (event.type === "again") again(event);
  else if (event.type === "reward") reward(event);
  else if (event.type === "grow") for (const node of event.nodes) nodes.get(node)?.item.classList.add("grown");
  else if (event.type === "report") report(event.report, asked);
  const drawn = [...nodes.values()].reduce((sum, node) => sum + node.tokens, 0);
  if (event.type !== "report") status(`Searching … ${nodes.size} steps, ${drawn} tokens`);
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function grow({ node, parent, text, tokens, stop }) {
  if (nodes.has(node)) return;
  $("tree").hidden = $("tree-title").hidden = $("legend").hidden = false;
  const item = element("div");
  item.setAttribute("role", "treeitem");
  item.tabIndex = nodes.size === 0 ? 0 : -1;
  const step = element("div", "step");
  const number = element("span", "reward", "");
  const bar = element("span", "bar");
  const fill = element("i");
  bar.append(fill);
  step.append(number, bar, element("span", "text", text || "(end)"), element("span", "draws", ""));
  item.append(step);
  const home = nodes.get(parent);
  if (home) {
    if (!home.group) {
      home.group = element("div");
      home.group.setAttribute("role", "group");
      home.item.append(home.group);
      home.item.setAttribute("aria-expanded", "true");
    }
    home.group.append(item);
  } else {
    $("tree").append(item);
  }
  nodes.set(node, { item, parent, number, fill, text, tokens, draws: 1, finished: stop !== "step" });
}

function again({ node }) {
  const known = nodes.get(node);
  if (!known) return;
  known.draws += 1;
  known.item.querySelector(".draws").textContent = `×${known.draws}`;
}

function reward({ node, reward: value }) {
  const known = nodes.get(node);
  if (!known) return;
  $("result").classList.add("rewarded");
  known.number.textContent = value.toFixed(3);
  known.fill.style.width = `${100 * value}%`;
  known.fill.classList.toggle("low", value < 0.5);
}

function report(found, asked) {
  // What the method kept, by the texts from the root down.
  const path = (trace, at) => (trace[at].parent === null ? "" : path(trace, trace[at].parent) + "\u0000" + trace[at].text);
  const kept = new Set((found.trace ?? []).map((node, at) => (node.kept ? path(found.trace, at) : null)));
  const own = (id) => (nodes.has(id) ? own(nodes.get(id).parent) + "\u0000" + nodes.get(id).text : "");
  for (const [id, { item }] of nodes) item.classList.toggle("pruned", !kept.has(own(id)));
  const answer = $("answer");
  answer.replaceChildren();
  answer.append(element("b", "", found.answer ?? "no answer could be extracted"));
  if (found.note) answer.append("\n" + found.note);
  answer.hidden = false;
  const body = $("votes").querySelector("tbody");
  body.replaceChildren(
    ...found.votes.map((vote) => {
      const row = element("tr");
      row.append(element("td", "", vote.answer), element("td", "", vote.count), element("td", "", vote.score?.toFixed(3) ?? ""));
      return row;
    }),
  );
  $("votes").hidden = found.votes.length === 0;
  const short = (n) => (n === null || n === undefined ? "unknown" : Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(n));
  const facts = [
    ["plan", found.plan],
    ["agreement", found.agreement === null ? "none" : `${Math.round(100 * found.agreement)} %`],
    ...(found.confidence === undefined ? [] : [["confidence", found.confidence === null ? "none" : `${Math.round(100 * found.confidence)} %`]]),
    ["seconds", found.seconds.toFixed(2)],
    ["tokens generated", short(found.usage.policy.generated)],
    ["tokens verified", short(found.usage.verifier.prompt)],
    ["total FLOPs", short(found.usage.flops_full)],
    ["status", found.stopped_by === "end" ? "finished" : `stopped at ${found.stopped_by}`],
  ];
  $("spent").replaceChildren(
    ...facts.map(([name, value]) => {
      const box = element("div");
      box.append(element("dt", "", name), element("dd", "", value));
      return box;
    }),
  );
  $("spent").hidden = false;
  highlight(found);
  status(`${found.method} with ${found.policy}: done.`);
  remember(asked, found);
}

// The path of a solution that gave the chosen answer with the best last reward.
function highlight(found) {
  const last = [...nodes.entries()].filter(([, node]) => node.finished && !node.item.classList.contains("pruned"));
  const right = last.filter(([, node]) => found.answer !== null && node.text.includes(found.answer));
  right.sort((a, b) => Number(b[1].number.textContent || 0) - Number(a[1].number.textContent || 0));
  for (let id = right[0]?.[0]; nodes.has(id); id = nodes.get(id).parent) nodes.get(id).item.classList.add("chosen");
}

function remember(asked, found) {
  const list = $("history");
  list.querySelector(".empty")?.remove();
  const entry = element("li");
  const link = element("a", "", asked.problem);
  link.href = address(asked);
  entry.append(link, ` ${asked.method}, N = ${asked.budget}: ${found.answer ?? "no answer"}`);
  list.prepend(entry);
}

function status(text, failed = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", failed);
}

function clear() {
  nodes = new Map();
  $("tree").replaceChildren();
  $("result").classList.remove("rewarded");
  for (const id of ["tree", "tree-title", "legend", "answer", "votes", "spent"]) $(id).hidden = true;
}

// ---- the keyboard

$("tree").addEventListener("keydown", (event) => {
  const item = event.target.closest("[role=treeitem]");
  if (!item) return;
  const shown = [...$("tree").querySelectorAll("[role=treeitem]")].filter((other) => other.offsetParent !== null);
  const at = shown.indexOf(item);
  const group = item.querySelector(":scope > [role=group]");
  const open = item.getAttribute("aria-expanded") !== "false";
  const fold = (fold) => {
    group.hidden = fold;
    item.setAttribute("aria-expanded", String(!fold));
  };
  let next = null;
  if (event.key === "ArrowDown") next = shown[at + 1];
  else if (event.key === "ArrowUp") next = shown[at - 1];
  else if (event.key === "Home") next = shown[0];
  else if (event.key === "End") next = shown.at(-1);
  else if (event.key === "ArrowRight" && group) {
    if (open) next = group.firstElementChild;
    else fold(false);
  } else if (event.key === "ArrowLeft") {
    if (group && open) fold(true);
    else next = item.parentElement.closest("[role=treeitem]");
  } else return;
  event.preventDefault();
  if (next) {
    item.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
});

models().catch((error) => status(error.message, true));
