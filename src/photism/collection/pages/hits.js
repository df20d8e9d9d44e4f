// Arrow keys go from hit to hit, the space bar plays.
const hits = [...document.querySelectorAll("ol.hits > li")];
document.addEventListener("keydown", (event) => {
  if (event.target.closest("audio, a") || event.ctrlKey || event.altKey || event.metaKey) return;
  const index = hits.indexOf(document.activeElement);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const next = index < 0 ? 0 : index + (event.key === "ArrowDown" ? 1 : -1);
    if (hits[next]) { hits[next].focus(); event.preventDefault(); }
  } else if ((event.key === " " || event.key === "Enter") && index >= 0) {
    toggle(hits[index].querySelector("audio"));
    event.preventDefault();
  }
});
