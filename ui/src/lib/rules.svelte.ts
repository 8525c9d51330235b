// Rules while they are edited: rows, the edit that they make, and what would come of it.
import type { Consequences } from '../bindings/Consequences';
import type { PolicyTemplate } from '../bindings/PolicyTemplate';
import type { Problem } from '../bindings/Problem';
import type { RuleMistake } from '../bindings/RuleMistake';
import type { RulesView } from '../bindings/RulesView';
import type { Api, RulesEdit } from './api';
import { capital, visible } from './display';
import { DEBOUNCE_MS } from './granting.svelte';
import { asProblem, inOneText } from './problem';

/** The lists in the order in which they win. */
export const RULE_LISTS = [
  { key: 'deny', title: 'Denied', says: 'Never runs, whatever else allows it; the agent is told which rule forbids it.' },
  { key: 'requireApproval', title: 'Always asked', says: 'You are asked, whatever allows it below.' },
  { key: 'autoApprove', title: 'Allowed', says: 'Runs at once; nobody is asked.' },
] as const;
export type RuleListKey = (typeof RULE_LISTS)[number]['key'];

export interface RuleRow {
  text: string;
  /** Its line in the config; absent: it is new. */
  line?: number;
}

export class Rules {
  /** `null`: nothing is written, and those hold that Iris has then. */
  readonly rows: Record<RuleListKey, RuleRow[] | null> = $state({ deny: null, requireApproval: null, autoApprove: null });
  /** What the core says of the texts; `null`: it is a rule. */
  #mistakes = $state.raw(new Map<string, RuleMistake | null>());

  constructor(
    readonly api: Api,
    readonly view: RulesView,
  ) {
    this.reset();
  }

  /** As they are written now. */
  reset(): void {
    for (const { key } of RULE_LISTS) this.rows[key] = this.view[key].own?.map((rule) => ({ ...rule })) ?? null;
  }

  /** Those of a template, to be looked at, changed and saved. */
  take(template: PolicyTemplate): void {
    for (const { key } of RULE_LISTS) this.rows[key] = template[key].map((text) => ({ text }));
  }

  /** They are just those of the template. */
  are(template: PolicyTemplate): boolean {
    return RULE_LISTS.every(({ key }) => JSON.stringify(this.#texts(key)) === JSON.stringify(template[key]));
  }

  /** The lists as a text, to compare; `written`: as they are in the config. */
  asText(written = false): string {
    const lists = RULE_LISTS.map(({ key, title }) => {
      const own = written ? this.view[key].own?.map((r) => r.text) : this.#texts(key);
      return [title, ...(own ?? this.view[key].builtIn).map((text) => `  ${text}`)];
    });
    return `${lists.flat().join('\n')}\n`;
  }

  /** Only the lists that differ from what they were. */
  get edit(): RulesEdit {
    const edit: RulesEdit = {};
    for (const { key } of RULE_LISTS) {
      const [was, is] = [this.view[key].own?.map((r) => r.text) ?? null, this.#texts(key)];
      if (JSON.stringify(was) !== JSON.stringify(is)) edit[key] = is;
    }
    return edit;
  }

  /** How many hold, with those that are not edited here. */
  count(key: RuleListKey): number {
    return this.view[key].common.length + (this.#texts(key) ?? this.view[key].builtIn).length;
  }

  /** One cannot be used. What the core did not judge yet counts as good: it looks again when it saves. */
  get bad(): boolean {
    return RULE_LISTS.some(({ key }) => (this.rows[key] ?? []).some((row) => this.mistake(row) !== null));
  }

  /** What is wrong with a rule, in the words of a config error. */
  mistake(row: RuleRow): string | null {
    const mistake = this.#mistakes.get(row.text.trim());
    return mistake ? visible(inOneText({ message: capital(mistake.message), hint: mistake.hint })) : null;
  }

  /** Asks what is wrong with what is typed; to be called in an effect that reads it. */
  check(): void {
    const texts = RULE_LISTS.flatMap(({ key }) => this.#texts(key) ?? []).filter((text) => !this.#mistakes.has(text));
    if (texts.length === 0) return;
    void this.api.checkRules(texts).then(
      (found) => (this.#mistakes = new Map([...this.#mistakes, ...texts.map((text, i) => [text, found[i] ?? null] as const)])),
      // It is judged again when it is looked at as a whole, and says so then.
      () => undefined,
    );
  }

  /** To be written, with those in it that Iris has where nothing is. */
  write(key: RuleListKey): void {
    this.rows[key] = this.view[key].builtIn.map((text) => ({ text }));
  }

  /** An empty row is not there yet. */
  #texts(key: RuleListKey): string[] | null {
    return this.rows[key]?.map((row) => row.text.trim()).filter((text) => text !== '') ?? null;
  }
}

/** What the core said, and to which edit. */
interface Said {
  key: string;
  consequences?: Consequences;
  problem?: Problem;
}

/** What would come of an edit, asked while it is made. */
export class Foresight<Edit> {
  /** The latest answer of the core; it stays on show until the next one comes. */
  said = $state.raw<Said | null>(null);
  #key = $state<string | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly ask: (edit: Edit) => Promise<Consequences>) {}

  /** There is an edit that changes something. */
  get needed(): boolean {
    return this.#key !== null;
  }

  /** The core did not say yet what would come of just this edit. */
  get waiting(): boolean {
    return this.#key !== null && this.said?.key !== this.#key;
  }

  /** Follows the edit, `null`: nothing would change; to be called in an effect that reads it. */
  look(edit: Edit | null): () => void {
    const key = edit === null ? null : JSON.stringify(edit);
    this.#key = key;
    if (edit !== null && key !== null && this.said?.key !== key) {
      this.#timer = setTimeout(() => void this.#ask(key, edit), DEBOUNCE_MS);
    }
    return () => clearTimeout(this.#timer);
  }

  async #ask(key: string, edit: Edit) {
    let said: Said;
    try {
      said = { key, consequences: await this.ask(edit) };
    } catch (thrown) {
      said = { key, problem: asProblem(thrown) };
    }
    // An answer to an edit that was changed since must not stand beside another one.
    if (key === this.#key) this.said = said;
  }
}
