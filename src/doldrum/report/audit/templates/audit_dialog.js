// One input, large: a native dialog, which keeps the focus in and gives it back. Left and right go through the list.
const dialog = byId("enlarged");
const body = dialog.querySelector(".body");
const place = dialog.querySelector(".place");
const [previous, next] = dialog.querySelectorAll("[data-go]");
let list = [];
let at = 0;

const fill = () => {
  const card = cardOf(list[at]);
  card.querySelector("h3").id = "enlarged-name";
  body.replaceChildren(card);
  body.scrollTop = 0;
  place.textContent = `${(at + 1).toLocaleString("en")} of ${list.length.toLocaleString("en")}`;
  previous.disabled = at === 0;
  next.disabled = at === list.length - 1;
};

const enlarge = (order, position) => {
  [list, at] = [order, position];
  fill();
  if (!dialog.open) dialog.showModal();
};

const step = (by) => {
  if (at + by < 0 || at + by >= list.length) return;
  at += by;
  fill();
  // A button that was just disabled would lose the focus to the page behind.
  if (document.activeElement === document.body || document.activeElement.disabled) dialog.querySelector("[autofocus]").focus();
};

dialog.addEventListener("click", (event) => {
  const go = event.target.closest("[data-go]");
  if (go && go.dataset.go !== "0") step(Number(go.dataset.go));
  else if (go || event.target === dialog) dialog.close();
});
dialog.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target.closest(".scroll")) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) {
    event.preventDefault();
    step(by);
  }
});
dialog.addEventListener("close", () => body.replaceChildren());
