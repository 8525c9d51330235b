// The colours of app.css against WCAG 2.2 AA, in light and in dark.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const css = readFileSync('src/app.css', 'utf8');
const [light, dark] = [...css.matchAll(/:root \{([^}]*)\}/g)].map((block) =>
  Object.fromEntries([...block[1]!.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map((m) => [m[1]!, m[2]!])),
);

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const c = parseInt(hex.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
}

/** Text and what it stands on: at least 4.5. */
const TEXT = [
  ...['bg', 'surface', 'sunken', 'hover', 'accent-soft', 'bad-soft', 'warn-soft', 'ok-soft'].map((on) => ['text', on]),
  ...['bg', 'surface', 'sunken', 'hover', 'accent-soft'].map((on) => ['muted', on]),
  ...['bg', 'surface', 'accent-soft', 'hover'].flatMap((on) => ['ok', 'warn', 'bad', 'info'].map((word) => [word, on])),
  ['accent', 'surface'], ['accent-ink', 'accent'], ['ok-ink', 'ok'], ['bad', 'bad-soft'], ['warn', 'warn-soft'],
] as [string, string][];
/** Edges of fields and focus rings: at least 3. */
const EDGES = [['field', 'surface'], ['accent', 'bg'], ['accent', 'surface'], ['accent', 'accent-soft']] as [string, string][];

for (const [name, colors] of [['light', light], ['dark', dark]] as const) {
  test.each(TEXT)(`${name}: %s on %s can be read`, (text, on) => {
    expect(contrast(colors![text]!, colors![on]!)).toBeGreaterThanOrEqual(4.5);
  });
  test.each(EDGES)(`${name}: the edge %s on %s can be seen`, (edge, on) => {
    expect(contrast(colors![edge]!, colors![on]!)).toBeGreaterThanOrEqual(3);
  });
}
