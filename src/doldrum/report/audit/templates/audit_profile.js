// An input without a card of its own gets the blank one, filled from the columns.
const blank = byId("blank").content.firstElementChild;
const NS = "http://www.w3.org/2000/svg";

const drawOwn = (line, kept) => {
  const xs = line.dataset.xs.split(" ").map(Number);
  const first = Number(line.dataset.first);
  const low = line.dataset.low.split(" ").map(Number);
  const high = line.dataset.high.split(" ").map(Number);
  const spots = xs
    .map((x, j) => [x, 72 - 0.65 * kept[first + j], kept[first + j] < 100 * low[j] - 0.5 || kept[first + j] > 100 * high[j] + 0.5])
    .filter((_, j) => kept[first + j] >= 0);
  line.setAttribute("points", spots.map(([x, y]) => `${x},${y}`).join(" "));
  for (const [x, y, outside] of spots) {
    const dot = document.createElementNS(NS, "circle");
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    dot.setAttribute("r", 3);
    if (outside) dot.setAttribute("class", "outside");
    line.after(dot);
  }
};

const cardOf = (i) => {
  const own = byId(`input-${i}`);
  const card = (own ?? blank).cloneNode(true);
  for (const node of [card, ...card.querySelectorAll("[id]")]) node.removeAttribute("id");
  card.removeAttribute("aria-labelledby");
  card.querySelector(".enlarge").remove();
  card.hidden = false;
  if (!own) {
    for (const node of card.querySelectorAll("[data-fill]")) node.textContent = shown[node.dataset.fill](i);
    for (const node of card.querySelectorAll("[data-kept]")) {
      const kept = data.kept[i][Number(node.dataset.kept)];
      node.textContent = kept < 0 ? "none taken" : `${kept}%`;
    }
    for (const line of card.querySelectorAll(".own")) drawOwn(line, data.kept[i]);
    card.classList.toggle("flagged", flagged(i));
  }
  for (const details of card.querySelectorAll("details")) details.open = true;
  return card;
};
