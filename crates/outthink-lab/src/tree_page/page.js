"use strict";
// WAI-ARIA's tree pattern over a flat list: a step's descendants are the items after it with a higher level.
const tree = document.getElementById("tree");
const items = [...tree.children];
const level = (item) => Number(item.getAttribute("aria-level"));
const shown = (item) => !item.hidden && !(item.classList.contains("pruned") && tree.classList.contains("hide-pruned"));
let current = items[0];

function focusOn(item) {
  if (!item) return;
  current.tabIndex = -1;
  current = item;
  item.tabIndex = 0;
  item.focus();
}
function step(item, by) {
  for (let at = items.indexOf(item) + by; at >= 0 && at < items.length; at += by) if (shown(items[at])) return items[at];
}
function parent(item) {
  for (let at = items.indexOf(item) - 1; at >= 0; at--) if (level(items[at]) < level(item)) return items[at];
}
function set(item, open) {
  item.setAttribute("aria-expanded", open);
  let closedAt = open ? Infinity : level(item);
  for (let at = items.indexOf(item) + 1; at < items.length && level(items[at]) > level(item); at++) {
    const below = items[at];
    if (level(below) <= closedAt) closedAt = Infinity;
    if (!open) closedAt = level(item);
    below.hidden = level(below) > closedAt;
    if (closedAt === Infinity && below.getAttribute("aria-expanded") === "false") closedAt = level(below);
  }
}
const open = (item) => item.getAttribute("aria-expanded");
const keys = {
  ArrowDown: (item) => focusOn(step(item, 1)),
  ArrowUp: (item) => focusOn(step(item, -1)),
  ArrowRight: (item) => open(item) === "false" ? set(item, true) : open(item) && focusOn(step(item, 1)),
  ArrowLeft: (item) => open(item) === "true" ? set(item, false) : focusOn(parent(item)),
  Home: () => focusOn(items.find(shown)),
  End: () => focusOn(items.findLast(shown)),
  Enter: (item) => { location.hash = item.id; },
  " ": (item) => open(item) && set(item, open(item) === "false"),
};
tree.addEventListener("keydown", (event) => {
  const action = keys[event.key];
  if (!action || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  action(event.target.closest("[role=treeitem]"));
});
tree.addEventListener("click", (event) => {
  const item = event.target.closest("[role=treeitem]");
  if (!item || event.target.closest("a")) return;
  focusOn(item);
  if (open(item)) set(item, open(item) === "false");
});
document.getElementById("pruned").addEventListener("change", (event) => {
  tree.classList.toggle("hide-pruned", !event.target.checked);
  if (!shown(current)) { current.tabIndex = -1; current = items.find(shown) || items[0]; current.tabIndex = 0; }
});
// At an address the step is opened up, selected, scrolled to, focused and told.
const status = document.getElementById("status");
function visit() {
  const target = items.find((item) => `#${item.id}` === location.hash);
  if (!target) return;
  for (let at = parent(target); at; at = parent(at)) if (open(at) === "false") set(at, true);
  const box = document.getElementById("pruned");
  if (!shown(target)) { box.checked = true; tree.classList.remove("hide-pruned"); }
  tree.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
  target.setAttribute("aria-selected", "true");
  focusOn(target);
  // Rows above it get their true height as they come into view, so the first scroll may miss.
  const centre = () => target.scrollIntoView({ block: "center" });
  centre();
  requestAnimationFrame(() => requestAnimationFrame(centre));
  status.textContent = `Step ${level(target)} selected: ${target.querySelector(".text").textContent}`;
}
if (current) current.tabIndex = 0;
addEventListener("hashchange", visit);
visit();
