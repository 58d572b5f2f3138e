/** @param {string} text @returns {Promise<boolean>} whether it is on the clipboard */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // no clipboard on an insecure origin, or no permission
  }
}

function copyBySelection(text) {
  const focused = /** @type {HTMLElement|null} */ (document.activeElement);
  const box = document.createElement('textarea');
  box.className = 'unseen';
  box.value = text;
  document.body.append(box);
  box.select();
  const copied = document.execCommand('copy');
  box.remove();
  focused?.focus();
  return copied;
}
