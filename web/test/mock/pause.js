/** Lets a time pass, or other tasks in. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
