// The table of all inputs: only the rows in view are in the page. It is one grid to assistive technology: the focus stays on
// the grid, aria-activedescendant names the row, aria-rowindex and aria-rowcount say where that row is among all. So every row is
// within reach of the keys and of a screen reader, in one list with one count. Pages of rows would need no such care, but break
// the list where somebody compares neighbours, and cost a step for each hundred; search, filter and sort do what paging is for.
const grid = byId("rows").firstElementChild;
const scroller = byId("rows");
const tbody = grid.tBodies[0];
const tools = byId("rows-tools");
const SPARE = 8;
let order = [];
let active = -1;
let pool = [];
let height = 0;
let head = 0;
let sorted = { key: "rank", down: false };
let pending = false;

const newRow = (n) => {
  const row = document.createElement("tr");
  row.id = `row-${n}`;
  row.setAttribute("role", "row");
  for (const cell of grid.tHead.rows[0].cells) {
    const made = document.createElement("td");
    made.className = `c-${cell.dataset.key}`;
    made.setAttribute("role", "gridcell");
    if (cell.dataset.key === "id" || cell.dataset.key === "label") made.append(document.createElement("bdi"));
    row.append(made);
  }
  return row;
};

// Row k of the list always lives in element k modulo the size of the pool, so a row that stays in view keeps its element.
const put = (row, k) => {
  row.hidden = k >= order.length;
  if (row.hidden || (row.at === k && row.from === order)) return;
  [row.at, row.from] = [k, order];
  const i = order[k];
  row.style.top = `${k * height}px`;
  row.setAttribute("aria-rowindex", k + 2);
  row.classList.toggle("flagged", flagged(i));
  for (const cell of row.cells) {
    const target = cell.firstElementChild ?? cell;
    target.textContent = shown[cell.className.slice(2)](i);
  }
};

const draw = () => {
  pending = false;
  const first = Math.max(0, Math.floor(scroller.scrollTop / height) - SPARE);
  for (let k = first; k < first + pool.length; k++) put(pool[k % pool.length], k);
  let current = null;
  for (const row of pool) {
    const is = !row.hidden && row.at === active;
    row.classList.toggle("active", is);
    row.setAttribute("aria-selected", is);
    if (is) current = row;
  }
  if (current) grid.setAttribute("aria-activedescendant", current.id);
  else grid.removeAttribute("aria-activedescendant");
};

const measure = () => {
  const probe = newRow("probe");
  tbody.append(probe);
  height = probe.getBoundingClientRect().height;
  probe.remove();
  head = grid.tHead.getBoundingClientRect().height;
  const count = Math.ceil(scroller.clientHeight / height) + 2 * SPARE;
  if (count !== pool.length) {
    pool = Array.from({ length: count }, (_, n) => newRow(n));
    tbody.replaceChildren(...pool);
  }
  for (const row of pool) row.from = null;
  tbody.style.height = `${order.length * height}px`;
  draw();
};

const filter = () => {
  const [text, state] = wanted(tools);
  const found = [];
  for (let i = 0; i < total; i++) if (matches(i, text, state)) found.push(i);
  const sign = sorted.down ? -1 : 1;
  if (sorted.key !== "rank" || sorted.down) found.sort((a, b) => sign * compare[sorted.key](a, b) || a - b);
  const was = order[active];
  order = found;
  active = was === undefined ? -1 : order.indexOf(was);
  grid.setAttribute("aria-rowcount", order.length + 1);
  tbody.style.height = `${order.length * height}px`;
  tools.elements.found.value = `${order.length.toLocaleString("en")} of ${total.toLocaleString("en")} inputs`;
  scroller.scrollTop = 0;
  draw();
};

const goTo = (k) => {
  active = Math.min(Math.max(k, 0), order.length - 1);
  const top = active * height;
  const room = scroller.clientHeight - head;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  else if (top + height > scroller.scrollTop + room) scroller.scrollTop = top + height - room;
  draw();
};

const sortBy = (key) => {
  sorted = { key, down: sorted.key === key && !sorted.down };
  for (const cell of grid.tHead.rows[0].cells) {
    const is = cell.dataset.key === key;
    if (is) cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  }
  filter();
};

for (const cell of grid.tHead.rows[0].cells) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = cell.textContent;
  button.addEventListener("click", () => sortBy(cell.dataset.key));
  cell.replaceChildren(button);
}
byId("no-script").hidden = true;
scroller.classList.add("live");
grid.tabIndex = 0;
grid.tHead.rows[0].setAttribute("aria-rowindex", 1);
grid.tHead.rows[0].cells[0].setAttribute("aria-sort", "ascending");
grid.addEventListener("keydown", (event) => {
  if (event.target !== grid || event.altKey || event.ctrlKey || event.metaKey) return;
  const page = Math.max(1, Math.floor((scroller.clientHeight - head) / height) - 1);
  const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: order.length - 1 };
  if (event.key in to && order.length) goTo(to[event.key]);
  else if ((event.key === "Enter" || event.key === " ") && active >= 0) enlarge(order, active);
  else return;
  event.preventDefault();
});
tbody.addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (!row || getSelection().toString()) return;
  active = row.at;
  draw();
  enlarge(order, active);
});
scroller.addEventListener("scroll", () => {
  if (pending) return;
  pending = true;
  requestAnimationFrame(draw);
}, { passive: true });
new ResizeObserver(measure).observe(scroller);
measure();
onChange(tools, filter);
filter();
