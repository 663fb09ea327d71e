// Elements and numbers, as all parts of the console write them.

export const $ = (id) => document.getElementById(id);

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

export function percent(share) {
  if (share > 0.99 && share < 1) return "over 99 %";
  if (share < 0.01 && share > 0) return "under 1 %";
  return `${Math.round(100 * share)} %`;
}

// A number that nobody counted is unknown, not 0.
export function short(number) {
  if (number === null || number === undefined) return "unknown";
  const format = Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  return format.format(number).replace(/B$/, "G");
}

export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
