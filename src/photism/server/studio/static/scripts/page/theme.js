// Sets the theme before the page is painted: the one that was chosen, otherwise that of the system, also when it changes.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("photism.theme");
    } catch {
      return null; // the browser keeps nothing for this page
    }
  };
  const show = () => {
    const theme = chosen();
    const isChosen = theme === "light" || theme === "dark";
    document.documentElement.dataset.theme = isChosen ? theme : dark.matches ? "dark" : "light";
  };
  dark.addEventListener("change", show);
  show();
})();
