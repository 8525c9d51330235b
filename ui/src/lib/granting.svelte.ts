// What a person chooses beside Allow: what is allowed from now on, and for how long; and what the core
// says would come of it.
import type { ApprovalView } from '../bindings/ApprovalView';
import type { Lifetime } from '../bindings/Lifetime';
import type { Offers } from '../bindings/Offers';
import type { Preview } from '../bindings/Preview';
import type { Problem } from '../bindings/Problem';
import type { Remember } from '../bindings/Remember';
import type { Scope } from '../bindings/Scope';
import type { Api } from './api';
import { asProblem } from './problem';

/** The lifetimes, in the order in which they are offered; the first is chosen as it opens. */
export const LIFETIMES = [
  { key: 'once', label: 'Once', allow: 'Allow once', says: '' },
  { key: '5', label: '5 min', allow: 'Allow for 5 minutes', says: 'For this agent, for 5 minutes; at most until its process ends.' },
  { key: '15', label: '15 min', allow: 'Allow for 15 minutes', says: 'For this agent, for 15 minutes; at most until its process ends.' },
  { key: '60', label: '60 min', allow: 'Allow for 60 minutes', says: 'For this agent, for an hour; at most until its process ends.' },
  { key: 'session', label: 'This agent', allow: 'Allow until the agent ends', says: 'For this agent, until its process ends: it is stopped, put to sleep, or crashes.' },
  { key: 'team', label: 'Team', allow: 'Allow until the team stops', says: 'For every agent of the team, until the last of them ends.' },
  { key: 'always', label: 'Always', allow: 'Allow always', says: 'For every agent of the team, from now on: a rule in the config file.' },
] as const;
export type LifetimeKey = (typeof LIFETIMES)[number]['key'];

export type ScopeKey = Scope['scope'];

/** How long a change rests before the core is asked what it means, milliseconds: the pause between
 * two letters, and nothing that a person waits for. */
export const DEBOUNCE_MS = 200;

/** What the core said, and to which choice. */
interface Said {
  key: string;
  preview?: Preview;
  problem?: Problem;
}

export class Granting {
  lifetime = $state<LifetimeKey>('once');
  scope = $state<ScopeKey>('exact');
  /** The rules, one a line. */
  text = $state('');
  /** The latest answer of the core; it stays on show until the next one comes. */
  said = $state.raw<Said | null>(null);
  /** The input that would run instead of the asked one. */
  #input = $state.raw<unknown>(undefined);
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Set while the choice is on show. */
  #live = false;

  constructor(
    readonly api: Api,
    readonly approval: ApprovalView,
  ) {
    const { suggested, exact } = approval.offers;
    this.scope = suggested.length > 0 ? 'rules' : 'exact';
    this.text = (suggested.length > 0 ? suggested : exact).join('\n');
  }

  get offers(): Offers {
    return this.approval.offers;
  }

  get chosen() {
    return LIFETIMES.find((l) => l.key === this.lifetime) ?? LIFETIMES[0];
  }

  /** More than this call is to be allowed. */
  get more(): boolean {
    return this.lifetime !== 'once';
  }

  get rules(): string[] {
    return this.text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  }

  get what(): Scope {
    return this.scope === 'rules' ? { scope: 'rules', rules: this.rules } : { scope: this.scope };
  }

  /** What the answer carries; absent: this call only. */
  get remember(): Remember | undefined {
    if (!this.more) return undefined;
    const until: Lifetime =
      this.lifetime === 'session' || this.lifetime === 'team' || this.lifetime === 'always'
        ? { lifetime: this.lifetime }
        : { lifetime: 'minutes', minutes: Number(this.lifetime) };
    return { what: this.what, until };
  }

  /** What the core said of just this choice; `null` as long as it did not. */
  get current(): Said | null {
    return this.said?.key === this.#key ? this.said : null;
  }

  /** Why it cannot be granted, in one sentence; `null` when it can, or when that is not known yet. */
  get refused(): string | null {
    if (!this.more) return null;
    if (this.scope === 'rules' && this.rules.length === 0) return 'Write a rule, or choose another scope.';
    const said = this.current;
    if (said?.problem) return said.problem.message;
    // What the config becomes is not known: nothing that nobody saw is written to it.
    if (said?.preview && this.lifetime === 'always' && !said.preview.config) return 'No rule can say just this input; choose another scope, or another time.';
    return null;
  }

  /** Why Allow does nothing now; `null` when it would. What it means is seen before it is granted. */
  get inert(): string | null {
    if (!this.more) return null;
    return this.refused ?? (this.current === null ? 'Iris is looking at what this would mean …' : null);
  }

  /** Follows the choice; to be called in an effect that reads it. */
  look(input: unknown): () => void {
    this.#input = input;
    this.#live = true;
    clearTimeout(this.#timer);
    if (this.more && this.current === null && !(this.scope === 'rules' && this.rules.length === 0)) {
      const [key, what] = [this.#key, this.what];
      this.#timer = setTimeout(() => void this.#ask(key, what, input), DEBOUNCE_MS);
    }
    return () => {
      this.#live = false;
      clearTimeout(this.#timer);
    };
  }

  async #ask(key: string, what: Scope, input: unknown) {
    let said: Said;
    try {
      said = { key, preview: await this.api.previewGrant(this.approval.id, what, input) };
    } catch (thrown) {
      said = { key, problem: asProblem(thrown) };
    }
    // An answer to what is no longer chosen came late: it must not stand beside another choice.
    if (this.#live && key === this.#key) this.said = said;
  }

  get #key(): string {
    return JSON.stringify([this.what, this.#input ?? null]);
  }
}
