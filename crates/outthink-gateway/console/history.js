// The searches of this tab, to go back to and to compare.

import { $, count, element } from "./element.js";
import { shown } from "./markup.js";
import { facts, trust } from "./result.js";

const KEY = "outthink.history";
const MOST = 50;

let entries = [];
try {
  entries = JSON.parse(sessionStorage.getItem(KEY)) ?? [];
} catch {
  // Nothing is kept where the browser forbids it.
}

export function address(values) {
  const kept = Object.entries(values).filter(([, value]) => value !== "");
  return "?" + new URLSearchParams(kept);
}

export function remember(asked, found, text) {
  const { trace, ...rest } = found;
  entries = [{ asked, found: rest, text }, ...entries].slice(0, MOST);
  keep();
  draw();
}

function keep() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(entries));
  } catch {
    // Full or forbidden: the list on the page is enough.
  }
}

export function draw() {
  const items = entries.map(({ asked, found }, at) => {
    const item = element("li");
    const tick = element("input");
    tick.type = "checkbox";
    tick.value = at;
    tick.setAttribute("aria-label", `Compare search ${entries.length - at}`);
    const link = element("a", "", asked.problem);
    link.href = address(asked);
    const budget = asked.method === "cot" ? "" : `, N = ${asked.budget}`;
    item.append(tick, link, element("span", "", `${asked.method} ${asked.policy}${budget}`));
    item.append(element("b", "", found.answer ?? "no answer"));
    return item;
  });
  $("history").replaceChildren(...items);
  $("history-help").hidden = entries.length > 0;
  $("history-buttons").hidden = entries.length === 0;
  ticked();
}

function chosen() {
  return [...$("history").querySelectorAll("input:checked")].map((tick) => entries[Number(tick.value)]);
}

function ticked() {
  $("compare").disabled = chosen().length < 2;
}

// One column a search, one row a fact.
function compare() {
  const columns = chosen();
  const table = element("table");
  const row = (name, cells) => {
    const line = element("tr");
    const head = element("th", "", name);
    head.scope = "row";
    line.append(head, ...cells.map((cell) => (cell instanceof Node ? cell : element("td", "", cell))));
    table.append(line);
  };
  const cell = (text) => shown("td", "", text);
  row("problem", columns.map(({ asked }) => cell(asked.problem)));
  row("policy", columns.map(({ asked }) => asked.policy));
  row("answer", columns.map(({ found }) => element("td", "strong", found.answer ?? "none")));
  row("trust", columns.map(({ found }) => trust(found).join(": ")));
  const names = facts(columns[0].found).map(([name]) => name);
  names.forEach((name, at) => row(name, columns.map(({ found }) => facts(found)[at][1])));
  row("solution", columns.map(({ text }) => cell(text)));
  const place = $("comparison");
  place.replaceChildren(element("h3", "", `Comparison of ${count(columns.length, "search").replace("searchs", "searches")}`), table);
  place.hidden = false;
  place.focus();
}

$("history").addEventListener("change", ticked);
$("compare").addEventListener("click", compare);
$("forget").addEventListener("click", () => {
  entries = [];
  keep();
  draw();
  $("comparison").hidden = true;
});
