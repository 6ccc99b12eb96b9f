"use strict";
// The audit's page. No framework, no request; text goes in by textContent alone.
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const total = data.id.length;
const search = data.id.map((id, i) => `${id}\n${data.names[data.label[i]]}`.toLowerCase());
const collator = new Intl.Collator(undefined, { numeric: true });
const states = ["not flagged", "discovery, not flagged", "flagged", "discovery"];
const flagged = (i) => data.state[i] > 1;

const shown = {
  rank: (i) => (i + 1).toLocaleString("en"),
  id: (i) => data.id[i],
  label: (i) => data.names[data.label[i]],
  p: (i) => (data.p[i] === null ? "none" : data.p[i] < 0.00005 ? "<0.0001" : data.p[i].toFixed(4)),
  score: (i) => data.score[i].toPrecision(4),
  state: (i) => states[data.state[i]],
};

const compare = {
  rank: (a, b) => a - b,
  id: (a, b) => collator.compare(data.id[a], data.id[b]),
  label: (a, b) => collator.compare(data.names[data.label[a]], data.names[data.label[b]]),
  p: (a, b) => (data.p[a] ?? 2) - (data.p[b] ?? 2),
  score: (a, b) => data.score[a] - data.score[b],
  state: (a, b) => data.state[b] - data.state[a],
};

const matches = (i, text, state, label = "") =>
  (!state || (state === "discovery" ? data.state[i] % 2 === 1 : flagged(i) === (state !== "not"))) &&
  (!label || data.names[data.label[i]] === label) &&
  (!text || search[i].includes(text));

const wanted = (form) => {
  const fields = new FormData(form);
  return [fields.get("text").trim().toLowerCase(), fields.get("state"), fields.get("label") ?? ""];
};

const onChange = (form, act) => {
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", act);
};
