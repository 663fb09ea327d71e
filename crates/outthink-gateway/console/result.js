// What a search found: the answer first, how far to trust it, why it won, and what it cost.

import { $, count, element, percent, short } from "./element.js";
import { shown } from "./markup.js";

export function clear() {
  for (const id of ["answer", "solution", "votes", "cost"]) $(id).hidden = true;
}

export function show(found, text) {
  answer(found);
  solution(text);
  votes(found);
  cost(found);
}

// How far the answer can be trusted: a level and the reason. A calibrated confidence counts before rewards, these before
// agreement.
export function trust(found) {
  const best = found.votes.find((vote) => vote.answer === found.answer);
  const agree = found.agreement === null ? null : `${percent(found.agreement)} of the samples that have an answer agree`;
  if (found.answer === null) return ["none", found.note ?? "no solution states an answer"];
  if (typeof found.confidence === "number") {
    return [level(found.confidence, 0.9, 0.6), `estimated chance of being right: ${percent(found.confidence)}; ${agree}`];
  }
  if (best?.score !== null && best?.score !== undefined) {
    const low = best.score < 0.5 ? "no solution with this answer has a score of 0.5 or more; " : "";
    const score = `${low}best score ${best.score.toFixed(3)}; ${agree}`;
    return [best.score < 0.5 ? "low" : level(best.score * (0.5 + found.agreement / 2), 0.7, 0.4), score];
  }
  return [level(found.agreement, 0.75, 0.4), `${agree}; no verifier was asked`];
}

function level(value, high, medium) {
  return value >= high ? "high" : value >= medium ? "medium" : "low";
}

function answer(found) {
  const [how, why] = trust(found);
  const box = $("answer");
  box.className = how;
  box.replaceChildren(element("span", "label", "Answer"));
  // Answers are maths without dollars.
  const text = found.answer === null ? "none found" : found.answer;
  box.append(found.answer === null ? element("b", "", text) : maths("b", text));
  const line = element("p", "trust");
  line.append(element("span", "chip " + how, how === "none" ? "no answer" : `trust: ${how}`), " " + why);
  box.append(line);
  if (found.note && found.answer !== null) box.append(element("p", "note", found.note));
  box.hidden = false;
}

function maths(tag, text) {
  const plain = /^[\w\s.,:;'-]*$/.test(text) && !/[\\^_]/.test(text);
  const made = plain ? shown(tag, "", text) : shown(tag, "", `$${text}$`);
  if (made.textContent === `$${text}$`) made.textContent = text;
  return made;
}

function solution(text) {
  const steps = text.split(/\n\n+/).filter((step) => step.trim());
  $("solution").querySelector("ol").replaceChildren(...steps.map((step) => shown("li", "", step)));
  $("solution").hidden = steps.length === 0;
}

function votes(found) {
  const scored = found.votes.some((vote) => vote.score !== null);
  const sums = found.selection.endsWith("-vote");
  const rows = found.votes.map((vote) => {
    const row = element("tr", vote.answer === found.answer ? "won" : "");
    const cell = element("td");
    cell.append(maths("span", vote.answer));
    row.append(cell, element("td", "", vote.count.toLocaleString("en")));
    row.append(element("td", "scored", vote.score?.toFixed(3) ?? ""));
    row.append(element("td", sums ? "" : "gone", vote.weight.toFixed(2)));
    return row;
  });
  const table = $("votes").querySelector("table");
  table.classList.toggle("unscored", !scored);
  $("weighed").classList.toggle("gone", !sums);
  $("weighed").textContent = "sum of scores";
  const why = {
    majority: "The answer with the most votes wins.",
    max: "The answer with the best score wins, however many votes it has.",
    vote: "The answer whose scores add up highest wins.",
  }[found.selection === "majority" ? "majority" : sums ? "vote" : "max"];
  $("votes").querySelector("summary").textContent = `Votes: ${count(found.votes.length, "answer")}`;
  const told = $("votes").querySelector("p") ?? $("votes").insertBefore(element("p", "help"), table);
  told.textContent = why;
  table.querySelector("tbody").replaceChildren(...rows.slice(0, 10));
  if (rows.length > 10) told.textContent += ` The first 10 of ${rows.length} are shown.`;
  $("votes").hidden = rows.length === 0;
}

// Names and values, as the history compares them too.
export function facts(found) {
  return [
    ["method", `${found.method}, ${found.plan}`],
    ["selection", found.selection],
    ["verifier", found.verifier ?? "none"],
    ["samples", found.samples.toLocaleString("en")],
    ["tokens generated", short(found.usage.policy.generated)],
    ["tokens verified", short(found.usage.verifier.prompt)],
    ["total FLOPs", short(found.usage.flops_full)],
    ["seconds", found.seconds.toFixed(2)],
    ["status", found.stopped_by === "end" ? "finished" : `stopped at ${found.stopped_by}`],
    ["random seed", String(found.seed)],
  ];
}

function cost(found) {
  const boxes = facts(found).map(([name, value]) => {
    const box = element("div");
    box.append(element("dt", "", name), element("dd", "", value));
    return box;
  });
  $("cost").querySelector("dl").replaceChildren(...boxes);
  const tokens = short(found.usage.policy.generated);
  $("cost").querySelector("summary").textContent =
    `Cost: ${count(found.samples, "sample")}, ${tokens} tokens generated, ${found.seconds.toFixed(2)} s`;
  if (found.chosen) {
    const told = $("cost").querySelector("p") ?? $("cost").appendChild(element("p", "help"));
    told.textContent = `How it was chosen: ${found.chosen}`;
  } else {
    $("cost").querySelector("p")?.remove();
  }
  $("cost").hidden = false;
}
