// The tree of a search: it grows as the search does, and folds where it is long.

import { $, element } from "./element.js";
import { shown } from "./markup.js";

// Larger trees show only what was kept, once the search is over.
const LONG = 80;

let nodes = new Map();

export function clear() {
  nodes = new Map();
  $("tree").replaceChildren();
  $("result").classList.remove("rewarded");
  $("steps").hidden = true;
}

export function size() {
  return { steps: nodes.size, tokens: [...nodes.values()].reduce((sum, node) => sum + node.tokens, 0) };
}

export function grow({ node, parent, text, tokens, stop }) {
  if (nodes.has(node)) return;
  $("steps").hidden = false;
  const item = element("div");
  item.setAttribute("role", "treeitem");
  item.tabIndex = nodes.size === 0 ? 0 : -1;
  const step = element("div", "step");
  const number = element("span", "reward", "");
  const bar = element("span", "bar");
  const fill = element("i");
  bar.append(fill);
  const draws = element("span", "draws", "");
  step.append(number, bar, shown("span", "text", text.trim() || "(end)"), draws);
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
  nodes.set(node, { item, parent, number, fill, draws, text, tokens, count: 1, value: null, finished: stop !== "step" });
}

export function again({ node }) {
  const known = nodes.get(node);
  if (!known) return;
  known.count += 1;
  known.draws.textContent = `×${known.count}`;
}

export function reward({ node, reward: value }) {
  const known = nodes.get(node);
  if (!known) return;
  $("result").classList.add("rewarded");
  known.value = value;
  known.number.textContent = value.toFixed(3);
  known.number.classList.toggle("low", value < 0.5);
  // A width is style, which the page's security policy leaves to scripts alone.
  known.fill.style.width = `${100 * value}%`;
  known.fill.classList.toggle("low", value < 0.5);
}

// What the method kept, and which path gave the answer; `text` is the chosen solution.
export function finish(trace, text) {
  const path = (at) => (trace[at].parent === null ? "" : path(trace[at].parent) + "\u0000" + trace[at].text.trim());
  const kept = new Set(trace.map((node, at) => (node.kept ? path(at) : null)));
  const own = (id) => (nodes.has(id) ? own(nodes.get(id).parent) + "\u0000" + nodes.get(id).text.trim() : "");
  const plain = (text) => text.replace(/\s+/g, "");
  let chosen = null;
  for (const [id, node] of nodes) {
    node.item.classList.toggle("pruned", !kept.has(own(id)));
    if (!chosen && node.finished && text && plain(own(id).replaceAll("\u0000", "")) === plain(text)) chosen = id;
  }
  for (let id = chosen; nodes.has(id); id = nodes.get(id).parent) nodes.get(id).item.classList.add("chosen");
  if (nodes.size > LONG) {
    for (const node of nodes.values()) if (node.group && !node.item.classList.contains("chosen")) fold(node.item, true);
  }
}

function fold(item, folded) {
  const group = item.querySelector(":scope > [role=group]");
  if (!group) return;
  group.hidden = folded;
  item.setAttribute("aria-expanded", String(!folded));
}

function open(item) {
  return item.getAttribute("aria-expanded") !== "false";
}

$("tree").addEventListener("click", (event) => {
  const item = event.target.closest("[role=treeitem]");
  if (item?.hasAttribute("aria-expanded") && String(getSelection()) === "") fold(item, open(item));
});

$("tree").addEventListener("keydown", (event) => {
  const item = event.target.closest("[role=treeitem]");
  if (!item) return;
  const visible = [...$("tree").querySelectorAll("[role=treeitem]")].filter((other) => other.offsetParent !== null);
  const at = visible.indexOf(item);
  const group = item.querySelector(":scope > [role=group]");
  let next = null;
  if (event.key === "ArrowDown") next = visible[at + 1];
  else if (event.key === "ArrowUp") next = visible[at - 1];
  else if (event.key === "Home") next = visible[0];
  else if (event.key === "End") next = visible.at(-1);
  else if (event.key === "ArrowRight" && group) {
    if (open(item)) next = group.firstElementChild;
    else fold(item, false);
  } else if (event.key === "ArrowLeft") {
    if (group && open(item)) fold(item, true);
    else next = item.parentElement.closest("[role=treeitem]");
  } else return;
  event.preventDefault();
  if (next) {
    item.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
});
