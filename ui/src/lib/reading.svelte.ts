// A reader's place in a transcript: the newest entries, live, or older ones; never more than fit.
import type { Line } from '../bindings/Line';
import type { Problem } from '../bindings/Problem';
import type { TranscriptPage } from '../bindings/TranscriptPage';
import type { TranscriptQuery } from '../bindings/TranscriptQuery';
import type { Api } from './api';
import { asProblem } from './problem';

/** Entries fetched at a time. */
export const PAGE = 100;
/** Entries on the page at most. */
export const KEPT = 400;

export class Reading {
  /** Those on show, oldest first. */
  lines = $state.raw<Line[]>([]);
  /** There may be older ones. */
  older = $state(false);
  /** The newest is among them, and what comes is added. */
  live = $state(true);
  /** What came and the reader has not seen. */
  unseen = $state(0);
  /** `false` until the first page is there. */
  ready = $state(false);
  /** Why there is no more. */
  failure = $state.raw<Problem | null>(null);
  /** The reader is at the end: said by who shows it. */
  following = true;
  /** The entry that is to be looked at first. */
  target: number | null = null;

  /** Each beginning has its turn: what belongs to an older one is thrown away. */
  #turn = 0;
  /** The newest entry that was heard of. */
  #newest = 0;
  #fetching = false;

  constructor(
    private readonly api: Api,
    private readonly query: TranscriptQuery,
  ) {}

  /** Shows the newest, and what comes. */
  async begin(): Promise<void> {
    await this.#open({});
  }

  /** Shows this entry with what was before it, and what came after it where the reader goes on. */
  async at(id: number): Promise<void> {
    await this.#open({ before: id + 1 });
    if (this.failure) return;
    this.target = id;
    await this.newer();
  }

  stop(): void {
    this.#turn += 1;
  }

  /** Adds a page before. */
  async showOlder(): Promise<void> {
    const [first] = this.lines;
    if (!this.older || !first) return;
    const page = await this.#fetch({ before: first.id });
    if (!page) return;
    const all = [...page.lines, ...this.lines];
    this.older = page.more;
    if (all.length > KEPT) this.live = false;
    this.lines = all.slice(0, KEPT);
  }

  /** Adds a page after; where there is no more, what comes is added again. */
  async newer(): Promise<void> {
    let page: TranscriptPage | null;
    do {
      const last = this.lines.at(-1);
      if (this.live || !last) return;
      page = await this.#fetch({ after: last.id });
      if (!page) return;
      const all = [...this.lines, ...page.lines];
      if (all.length > KEPT) this.older = true;
      this.lines = all.slice(-KEPT);
      // What was heard of meanwhile was not added.
      this.live = !page.more && page.upto >= this.#newest;
    } while (!page.more && !this.live);
  }

  /** The reader saw the end. */
  seen(): void {
    this.unseen = 0;
  }

  async #open(place: TranscriptQuery): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    this.failure = null;
    this.#fetching = false;
    this.following = place.before === undefined;
    const page = await this.#fetch(place);
    if (!page) return;
    this.lines = page.lines;
    this.older = page.more;
    this.live = place.before === undefined;
    this.unseen = 0;
    this.ready = true;
    this.#newest = page.lines.at(-1)?.id ?? 0;
    void this.#follow(turn, page.upto);
  }

  async #follow(turn: number, after: number): Promise<void> {
    try {
      while (turn === this.#turn) {
        const page = await this.api.newerTranscript({ ...this.query, after, limit: PAGE });
        if (turn !== this.#turn) return;
        after = page.upto;
        this.#came(page.lines);
      }
    } catch (thrown) {
      if (turn === this.#turn) this.failure = asProblem(thrown);
    }
  }

  #came(lines: Line[]): void {
    const fresh = lines.filter((line) => line.id > (this.lines.at(-1)?.id ?? 0));
    const last = fresh.at(-1);
    if (!last) return;
    this.#newest = Math.max(this.#newest, last.id);
    if (!this.following) this.unseen += fresh.length;
    if (!this.live) return;
    const all = [...this.lines, ...fresh];
    if (all.length <= KEPT) {
      this.lines = all;
    } else if (this.following) {
      this.lines = all.slice(-KEPT);
      this.older = true;
    } else {
      // Nothing is taken away above a reader who reads there.
      this.live = false;
    }
  }

  /** A page; `null` when it failed, or is not wanted any more, or another one is on its way. */
  async #fetch(place: TranscriptQuery): Promise<TranscriptPage | null> {
    if (this.#fetching) return null;
    const turn = this.#turn;
    this.#fetching = true;
    try {
      const page = await this.api.transcript({ ...this.query, limit: PAGE, ...place });
      return turn === this.#turn ? page : null;
    } catch (thrown) {
      if (turn === this.#turn) this.failure = asProblem(thrown);
      return null;
    } finally {
      if (turn === this.#turn) this.#fetching = false;
    }
  }
}
