/**
 * For so long Allow does nothing after another request came on show, milliseconds: a click or a key
 * meant for what stood there before must not allow what stands there now. Longer than a double
 * click, shorter than reading a request.
 */
export const ARMING_MS = 500;
