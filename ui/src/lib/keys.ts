/** True when the key goes into a text, so that single-letter shortcuts must rest. */
export function isTyping(event: KeyboardEvent): boolean {
  const { target } = event;
  // A choice takes arrows and the space bar, no letters.
  if (target instanceof HTMLInputElement && ['radio', 'checkbox'].includes(target.type)) return false;
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
  );
}

/** True for a key pressed alone: no Ctrl, Alt or Meta, not held down. */
export function isPlain(event: KeyboardEvent): boolean {
  return !event.ctrlKey && !event.altKey && !event.metaKey && !event.repeat;
}

/** Ctrl+Enter, or Cmd+Enter on a Mac, pressed anew. */
export function isSubmit(event: KeyboardEvent): boolean {
  return event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.repeat;
}
