// Mounts the whole window on a fake core, and looks things up as a WebDriver test would.
import { flushSync, mount, unmount } from 'svelte';
import { afterEach } from 'vitest';

import type { Snapshot } from '../src/bindings/Snapshot';
import App from '../src/App.svelte';
import { emptySnapshot, FakeApi } from '../src/lib/fake';
import { Iris } from '../src/lib/iris.svelte';

const mounted: Record<string, unknown>[] = [];

afterEach(async () => {
  for (const app of mounted.splice(0)) await unmount(app);
  document.body.innerHTML = '';
});

/** The window with this state on show. */
export async function open(state: Partial<Snapshot> = {}, prepare: (api: FakeApi) => void = () => undefined) {
  const api = new FakeApi({ ...emptySnapshot(), ...state });
  prepare(api);
  const iris = new Iris(api);
  mounted.push(mount(App, { target: document.body, props: { iris } }));
  await settle();
  return { api, iris };
}

/** Lets promises run and the window draw. */
export async function settle() {
  for (let i = 0; i < 12; i += 1) await Promise.resolve();
  flushSync();
}

export function find(testid: string): HTMLElement | null {
  return document.querySelector<HTMLElement>(`[data-testid="${testid}"]`);
}

export function get<T extends HTMLElement = HTMLElement>(testid: string): T {
  const found = find(testid);
  if (!found) throw new Error(`nothing on show has the test id ${testid}`);
  return found as T;
}

export function all(testid: string): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>(`[data-testid="${testid}"]`)];
}

/** Text on show, blanks as one space. */
export function text(testid: string): string {
  return (get(testid).textContent ?? '').replace(/\s+/g, ' ').trim();
}

export async function click(target: string | HTMLElement) {
  (typeof target === 'string' ? get(target) : target).click();
  await settle();
}

export async function type(testid: string, value: string) {
  const input = get<HTMLInputElement>(testid);
  input.value = value;
  input.dispatchEvent(new Event('input', { bubbles: true }));
  await settle();
}

export async function choose(testid: string, value: string) {
  const select = get<HTMLSelectElement>(testid);
  select.value = value;
  // Svelte asks for `:checked`, which happy-dom does not know of options.
  select.querySelector = () => select.options[select.selectedIndex] ?? null;
  select.dispatchEvent(new Event('change', { bubbles: true }));
  await settle();
}

export async function press(key: string, more: KeyboardEventInit = {}, target: EventTarget = document.body) {
  target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more }));
  await settle();
}
