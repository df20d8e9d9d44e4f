// @ts-check
/** Links that open a tab with settings. */

/** Return the tab and the settings that the address names, or null. */
export const readLink = () => {
  const [verb, query] = location.hash.slice(1).split("?");
  return verb ? { verb, settings: Object.fromEntries(new URLSearchParams(query ?? "")) } : null;
};

/** Return the tab and the checked settings that the address names, or null. */
export const openedLink = async () => readLink();
