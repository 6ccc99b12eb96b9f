// The switch of colours rewrites the media query that follows the system, so that each palette is written once.
const theme = byId("theme");
const dark = [...document.styleSheets[0].cssRules].filter((rule) => rule.media?.mediaText.includes("prefers-color-scheme: dark"));
const system = dark.map((rule) => rule.media.mediaText);
theme.hidden = false;
theme.addEventListener("input", (event) => {
  const choice = event.target.value;
  dark.forEach((rule, n) => {
    rule.media.mediaText = { light: "not all", dark: "screen" }[choice] ?? system[n];
  });
  document.querySelector("meta[name=color-scheme]").content = choice || "light dark";
});
