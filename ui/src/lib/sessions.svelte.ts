// What the window knows of conversations: the list, which one is chosen, and those that are about to be
// deleted. It outlives a change of view, and ends with the window.
import { SvelteMap } from 'svelte/reactivity';

import type { ListedSession } from '../bindings/ListedSession';
import type { Problem } from '../bindings/Problem';
import type { Iris } from './iris.svelte';
import { asProblem } from './problem';
import { grouped, keyOf, name, type Group, type Pair, type Session } from './sessions';

/** How long a deletion can be taken back, milliseconds. */
export const UNDO_MS = 6000;
/** The list is read no more often than this, milliseconds. */
const REFRESH_MS = 1000;

/** A conversation that is about to be deleted. */
export interface Leaving {
  pair: Pair;
  /** When it is, milliseconds since 1970. */
  at: number;
  /** It is being deleted, and cannot be kept any more. */
  running: boolean;
}

export class Sessions {
  /** `null` until it was read. */
  listed = $state.raw<ListedSession[] | null>(null);
  /** Why it cannot be read. */
  failure = $state.raw<Problem | null>(null);
  /** The one on show; `null`: the map of all. */
  chosen = $state.raw<Pair | null>(null);
  /** By pair. */
  readonly leaving = new SvelteMap<string, Leaving>();

  #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #reading = false;
  #again = false;

  constructor(private readonly iris: Iris) {}

  get groups(): Group[] {
    return grouped(this.listed ?? [], this.iris.teams);
  }

  /** The chosen conversation as it is now. */
  get current(): Session | null {
    const { chosen } = this;
    if (!chosen) return null;
    const group = this.groups.find((it) => it.team.name === chosen.to);
    return group?.sessions.find((it) => it.from === chosen.from) ?? null;
  }

  show(pair: Pair | null): void {
    this.chosen = pair;
    this.iris.view = 'sessions';
  }

  /** Reads the list; while it is being read, or was just now, once more after that. */
  async refresh(): Promise<void> {
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#reading = true;
    try {
      this.listed = await this.iris.api.listSessions();
      this.failure = null;
    } catch (thrown) {
      this.failure = asProblem(thrown);
    }
    this.#timers.set(
      '',
      setTimeout(() => {
        this.#reading = false;
        const again = this.#again;
        this.#again = false;
        if (again) void this.refresh();
      }, REFRESH_MS),
    );
  }

  /** Deletes a conversation in a moment, unless `keep` comes before. */
  remove(pair: Pair): void {
    const key = keyOf(pair);
    if (this.leaving.has(key)) return;
    this.leaving.set(key, { pair, at: Date.now() + UNDO_MS, running: false });
    this.#timers.set(
      key,
      setTimeout(() => void this.#delete(key, pair), UNDO_MS),
    );
    this.iris.announcement = `The conversation of ${name(pair.from)} with ${pair.to} is deleted in ${UNDO_MS / 1000} seconds. Undo keeps it.`;
  }

  /** Takes a deletion back. */
  keep(key: string): void {
    const leaving = this.leaving.get(key);
    if (!leaving || leaving.running) return;
    clearTimeout(this.#timers.get(key));
    this.leaving.delete(key);
    this.iris.announcement = `The conversation of ${name(leaving.pair.from)} with ${leaving.pair.to} is kept.`;
  }

  /** The window goes: what can still be kept is kept. */
  end(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.leaving.clear();
  }

  async #delete(key: string, pair: Pair): Promise<void> {
    const leaving = this.leaving.get(key);
    if (!leaving) return;
    this.leaving.set(key, { ...leaving, running: true });
    const done = await this.iris.attempt(() => this.iris.api.deleteSession(pair.from, pair.to));
    this.leaving.delete(key);
    if (!done) return;
    this.listed = this.listed?.filter((it) => keyOf(it) !== key) ?? null;
    if (this.chosen && keyOf(this.chosen) === key) this.chosen = null;
    this.iris.announcement = `The conversation of ${name(pair.from)} with ${pair.to} was deleted.`;
    const { left } = done.value.record;
    if (left) this.iris.notify(left);
    await this.refresh();
  }
}
