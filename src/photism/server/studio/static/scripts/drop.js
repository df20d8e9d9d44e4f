// @ts-check
/** Files that are dropped on the page. */

/** Let the page take files that are dropped on it. */
export const installDrop = () => {};
