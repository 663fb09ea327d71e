// The console: asks as any client would, with `trace`, and draws what it hears.

import { $, count, element } from "./element.js";
import { address, draw, remember } from "./history.js";
import { authorize } from "./markup.js";
import * as result from "./result.js";
import { ask, events, refusal } from "./stream.js";
import * as tree from "./tree.js";

const fields = ["problem", "policy", "method", "budget", "verifier", "seed"];
let running = null;
let offered = new Set();
let profiles = new Map();

const METHODS = {
  auto: "The server chooses the method: a tuned strategy if it has one, else a search with its verifier, else a majority vote.",
  cot: "One greedy solution: what the policy answers by itself.",
  majority: "N independent solutions; the commonest answer wins. Needs no verifier.",
  "best-of-n": "N independent solutions; the verifier's scores choose among them.",
  beam: "Step by step: the verifier keeps the best partial solutions and the rest are pruned.",
  dvts: "Diverse verifier tree search: N / width subtrees that each follow their own best step.",
};

// Problems that the models behind a profile can read; any other model is asked in plain words.
const EXAMPLES = {
  micro: ["Evaluate $(17+19)\\cdot 4-16$.", "Solve $2(4(x+8)+38)=332$ for $x$.", "Let $a_1=17$ and $a_{n+1}\\equiv 9a_n+10\\pmod{29}$. Find $(a_3,a_4)$."],
  grid: ["Fill the grid:\n.1624.\n..3.56\n12..34\n3....1\n6.2415\n45.3..", "Fill the grid:\n12345.\n456123\n214365\n365214\n531642\n642531"],
  other: ["What is 12 times 12?", "Natalia sold 48 clips in April and half as many in May. How many did she sell altogether?", "How many positive divisors does 360 have?"],
};

// ---- settings: in the address, so that a search can be shared

function settings() {
  return Object.fromEntries(fields.map((name) => [name, $(name).value]));
}

function restore() {
  const given = new URLSearchParams(location.search);
  for (const name of fields) {
    if (!given.has(name)) continue;
    const value = given.get(name);
    const field = $(name);
    if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === value)) continue;
    field.value = value;
  }
}

function headers() {
  const key = $("key").value.trim();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function models() {
  const reply = await ask("v1/models", { headers: headers() });
  if (reply.status === 401) {
    $("key-label").hidden = false;
    status("This server asks for an API key: enter it above.");
    return;
  }
  if (!reply.ok) throw new Error(await refusal(reply));
  const listed = await reply.json();
  fill("policy", listed.outthink.policies);
  const verifiers = listed.outthink.verifiers;
  $("verifier").replaceChildren(new Option("the server's choice", ""), ...[...verifiers, "none"].map((name) => new Option(name, name)));
  offered = new Set(listed.data.map((model) => model.id));
  profiles = new Map(listed.data.map((model) => [model.id, model.outthink?.profile ?? ""]));
  restore();
  offer();
}

// The methods that the policy can use here, and problems that it can read.
function offer() {
  const policy = $("policy").value;
  for (const option of $("method").options) {
    option.disabled = option.value !== "auto" && !offered.has(`${option.value}:${policy}`);
  }
  if ($("method").selectedOptions[0]?.disabled) $("method").value = "auto";
  const profile = profiles.get(policy) ?? "";
  const kind = policy.startsWith("grid") ? "grid" : profile === "micro" ? "micro" : "other";
  $("examples").replaceChildren(element("span", "", "Examples: "), ...EXAMPLES[kind].map(example));
  if (!$("problem").value || Object.values(EXAMPLES).some((texts) => texts.includes($("problem").value))) {
    const read = EXAMPLES[kind];
    if (!read.includes($("problem").value)) $("problem").value = read[0];
  }
  explain();
}

function example(text) {
  const button = element("button", "example", text.split("\n")[0].slice(0, 60) + (text.length > 60 || text.includes("\n") ? " …" : ""));
  button.type = "button";
  button.title = text;
  button.addEventListener("click", () => {
    $("problem").value = text;
    $("problem").focus();
  });
  return button;
}

function explain() {
  const method = $("method").value;
  $("budget").disabled = method === "cot";
  $("verifier").disabled = method === "cot" || method === "majority";
  $("help").textContent = METHODS[method] ?? "";
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
  tree.clear();
  result.clear();
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

// Ctrl-Enter asks, as in other places where a problem may have many lines.
$("problem").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("ask").requestSubmit();
});
$("stop").addEventListener("click", () => running?.abort());
$("key").addEventListener("change", () => models().catch((error) => status(error.message, true)));
$("policy").addEventListener("change", offer);
$("method").addEventListener("change", explain);

// Only what was chosen is sent: the rest is the server's to decide.
function body(asked) {
  const own = { trace: true };
  if (asked.method !== "auto") own.method = asked.method;
  if (asked.method !== "cot") own.budget = Number(asked.budget);
  if (asked.verifier && asked.method !== "cot" && asked.method !== "majority") own.verifier = asked.verifier;
  return {
    model: asked.method === "auto" ? `auto@${asked.policy}` : asked.policy,
    messages: [{ role: "user", content: asked.problem }],
    stream: true,
    seed: Number(asked.seed),
    outthink: own,
  };
}

async function search(asked, signal) {
  const reply = await ask("v1/chat/completions", {
    method: "POST",
    signal,
    headers: { "Content-Type": "application/json", ...headers() },
    body: JSON.stringify(body(asked)),
  });
  if (!reply.ok) throw new Error(await refusal(reply));
  let text = "";
  let found = null;
  for await (const { name, data } of events(reply.body)) {
    if (data === "[DONE]") {
      if (found) done(asked, found, text);
      return;
    }
    const heard = JSON.parse(data);
    if (heard.error) throw new Error(heard.error.message);
    text += heard.choices?.[0]?.delta?.content ?? "";
    if (name !== "outthink") continue;
    if (heard.type === "report") found = heard.report;
    else hear(heard);
  }
  throw new Error("The server closed the connection before the search was done.");
}

function hear(event) {
  if (event.type === "step") tree.grow(event);
  else if (event.type === "again") tree.again(event);
  else if (event.type === "reward") tree.reward(event);
  const { steps, tokens } = tree.size();
  status(`Searching … ${count(steps, "step")}, ${count(tokens, "token")}`);
}

function done(asked, found, text) {
  result.show(found, text);
  tree.finish(found.trace ?? [], text);
  status(`${found.method} with ${found.policy}: done.`);
  remember(asked, found, text);
}

function status(text, failed = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", failed);
}

authorize(headers);
draw();
models().catch((error) => status(error.message, true));
