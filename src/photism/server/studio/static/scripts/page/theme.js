// Sets the chosen theme before the page is painted; without a choice it is the one of the system.
(() => {
  try {
    const theme = localStorage.getItem("photism.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // The browser keeps nothing for this page.
  }
})();
