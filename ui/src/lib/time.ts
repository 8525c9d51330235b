// Times in words. All take and give milliseconds since 1970 unless they say otherwise.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span in its two largest units: `42 s`, `3 min 5 s`, `2 h 10 min`. */
export function span(ms: number): string {
  const t = Math.max(0, ms);
  if (t < SECOND) return `${Math.round(t)} ms`;
  if (t < MINUTE) return `${Math.floor(t / SECOND)} s`;
  if (t < HOUR) return pair(t, MINUTE, 'min', SECOND, 's');
  if (t < DAY) return pair(t, HOUR, 'h', MINUTE, 'min');
  return pair(t, DAY, 'd', HOUR, 'h');
}

function pair(t: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((t % large) / small);
  return rest === 0
    ? `${Math.floor(t / large)} ${largeName}`
    : `${Math.floor(t / large)} ${largeName} ${rest} ${smallName}`;
}

/** How long ago, short: `just now`, `42 s ago`, `5 min ago`. */
export function ago(time: string, now: number): string {
  const passed = now - Date.parse(time);
  if (passed < 5 * SECOND) return 'just now';
  return `${brief(passed)} ago`;
}

/** A span in its largest unit only. */
export function brief(ms: number): string {
  const t = Math.max(0, ms);
  if (t < MINUTE) return `${Math.floor(t / SECOND)} s`;
  if (t < HOUR) return `${Math.floor(t / MINUTE)} min`;
  if (t < DAY) return `${Math.floor(t / HOUR)} h`;
  return `${Math.floor(t / DAY)} d`;
}

/** Time of day, with the date when it is not today's. */
export function clock(time: string, now: number): string {
  const date = new Date(time);
  const today = new Date(now).toDateString() === date.toDateString();
  const hours = date.toLocaleTimeString(undefined, { hour12: false });
  return today ? hours : `${date.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })} ${hours}`;
}

/** Date and time in full, for tooltips. */
export function full(time: string): string {
  return new Date(time).toLocaleString();
}
