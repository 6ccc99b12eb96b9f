// The gallery: its cards are in the page; the script sorts, hides and enlarges them.
const gallery = byId("cards");
const PART = 24;
if (gallery) {
  const form = byId("gallery-tools");
  const more = byId("more");
  const cards = [...gallery.children];
  const row = new Map(cards.map((card) => [card, Number(card.dataset.row)]));
  const sorts = {
    first: compare.rank,
    last: (a, b) => compare.rank(b, a),
    name: compare.id,
    label: (a, b) => compare.label(a, b) || compare.rank(a, b),
  };
  let order = [];
  let limit = PART;

  const update = () => {
    const [text, state, label] = wanted(form);
    const kept = cards.filter((card) => matches(row.get(card), text, state, label));
    kept.sort((a, b) => sorts[form.elements.sort.value](row.get(a), row.get(b)));
    order = kept.map((card) => row.get(card));
    const visible = new Set(kept.slice(0, limit));
    for (const card of cards) card.hidden = !visible.has(card);
    gallery.prepend(...kept);
    more.hidden = kept.length <= limit;
    const count = kept.length.toLocaleString("en");
    form.elements.found.value = kept.length > limit ? `first ${limit} of ${count}` : `${count} shown`;
  };

  onChange(form, () => {
    limit = PART;
    update();
  });
  more.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const from = limit;
    limit = button === more.firstElementChild ? limit + PART : cards.length;
    update();
    gallery.children[from]?.querySelector(".enlarge").focus();
  });
  gallery.addEventListener("click", (event) => {
    if (!event.target.closest(".enlarge, .shot img, .copies img")) return;
    const i = row.get(event.target.closest("article"));
    enlarge(order, order.indexOf(i));
  });
  for (const button of gallery.querySelectorAll(".enlarge")) button.hidden = false;
  update();
}
