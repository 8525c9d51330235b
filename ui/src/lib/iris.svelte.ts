// What the window knows: the latest snapshot, and what the person is looking at. One instance,
// handed down by context; every view renders it and keeps no copy.
import { createContext } from 'svelte';
import { SvelteMap, SvelteSet } from 'svelte/reactivity';

import type { Answer } from '../bindings/Answer';
import type { ApprovalId } from '../bindings/ApprovalId';
import type { ApprovalView } from '../bindings/ApprovalView';
import type { EndedApproval } from '../bindings/EndedApproval';
import type { GrantView } from '../bindings/GrantView';
import type { MissedView } from '../bindings/MissedView';
import type { Problem } from '../bindings/Problem';
import type { PromptView } from '../bindings/PromptView';
import type { SendOutcome } from '../bindings/SendOutcome';
import type { Snapshot } from '../bindings/Snapshot';
import type { TeamName } from '../bindings/TeamName';
import type { TeamView } from '../bindings/TeamView';
import type { Api, TestStep } from './api';
import { asProblem } from './problem';
import { Sessions } from './sessions.svelte';
import { promptTitle, STATUSES } from './words';

/** The views, in the order in which the sidebar has them. */
export const VIEWS = ['approvals', 'teams', 'sessions', 'grants', 'activity', 'settings'] as const;
export type View = (typeof VIEWS)[number];

/** A task given to a team from this window, and what became of it. */
export interface Task {
  id: number;
  text: string;
  startedAt: number;
  /** Set when the call ended well or badly. */
  outcome?: SendOutcome;
  /** Set when the call itself failed. */
  failure?: Problem;
}

/** A connection test, as far as it came. */
export interface ConnectionTest {
  steps: TestStep[];
  running: boolean;
  /** Set when the test itself failed. */
  failure?: Problem;
}

/** How many tasks of a team stay on show. */
const TASKS_KEPT = 5;

/** How long the window waits for the end of what was said in a session, milliseconds. */
const TELL_MS = 24 * 3_600_000;

/** How often relative times are drawn anew, milliseconds: they show seconds. */
const TICK_MS = 1000;

export class Iris {
  /** `null` until Iris answered for the first time. */
  snapshot = $state.raw<Snapshot | null>(null);
  /** Why there is no snapshot. */
  unreachable = $state.raw<Problem | null>(null);
  /** Errors of commands, until dismissed. */
  notices = $state.raw<Problem[]>([]);
  /** Read out by screen readers. */
  announcement = $state('');
  now = $state(Date.now());

  view = $state<View>('approvals');
  /** The approval on show; it stays on show after it ended, to say how. */
  shown = $state.raw<ApprovalView | null>(null);
  /** Set while another surface asks to see what was missed, which stands below what waits. */
  missedWanted = $state(false);
  teamName = $state<TeamName | null>(null);

  /** The latest tasks of each team, newest first; they outlive a change of view, because agents ask
   * in between. */
  readonly tasks = new SvelteMap<TeamName, Task[]>();
  /** Unsent task texts. */
  readonly drafts = new SvelteMap<TeamName, string>();
  /** The latest connection test of each team. */
  readonly tests = new SvelteMap<TeamName, ConnectionTest>();
  /** Teams being started. */
  readonly starting = new SvelteSet<TeamName>();
  /** Teams being stopped. */
  readonly stopping = new SvelteSet<TeamName>();
  /** The conversations. */
  readonly sessions = new Sessions(this);

  /** What a global shortcut does: set by the request on show. */
  onpress: ((button: string) => void) | null = null;

  #events = 0;
  /** Asked for by another surface before the snapshot that has it came. */
  #wanted: ApprovalId | null = null;
  #sent = 0;
  #stop: (() => void)[] = [];

  constructor(readonly api: Api) {}

  /** Listens, then asks for the state; call again to try again. */
  async connect(): Promise<void> {
    this.unreachable = null;
    try {
      if (this.#stop.length === 0) {
        this.#stop.push(ticking(() => (this.now = Date.now())));
        const quiet = await this.api.onSnapshot((snapshot) => {
          this.#events += 1;
          this.#take(snapshot);
        });
        this.#stop.push(quiet);
        this.#stop.push(await this.api.onShowApproval((id) => this.showApproval(id)));
        this.#stop.push(await this.api.onPress((button) => this.onpress?.(button)));
        this.#stop.push(await this.api.onShowView((view) => this.showView(view)));
      }
      const events = this.#events;
      const snapshot = await this.api.snapshot();
      // An event that came meanwhile is newer than this answer.
      if (events === this.#events) this.#take(snapshot);
    } catch (thrown) {
      this.unreachable = asProblem(thrown);
    }
  }

  /** Stops listening. */
  disconnect(): void {
    for (const stop of this.#stop.splice(0)) stop();
    this.sessions.end();
  }

  get approvals(): ApprovalView[] {
    return this.snapshot?.approvals ?? [];
  }

  /** How many approvals nobody but the person is asked: those that another session may answer first
   * do not wait for them yet. */
  get waiting(): number {
    return this.approvals.filter((a) => a.forwardedTo === undefined).length;
  }

  get grants(): GrantView[] {
    return this.snapshot?.grants ?? [];
  }

  /** What nobody answered in time, newest first. */
  get missed(): MissedView[] {
    return this.snapshot?.missed ?? [];
  }

  /** What `ssh` asks, oldest first. */
  get prompts(): PromptView[] {
    return this.snapshot?.prompts ?? [];
  }

  get teams(): TeamView[] {
    return this.snapshot?.teams ?? [];
  }

  get team(): TeamView | null {
    return this.teams.find((t) => t.name === this.teamName) ?? null;
  }

  /** Those that are like this one, and itself; it alone: it is like no other. */
  like(approval: ApprovalView): ApprovalView[] {
    return this.approvals.filter((a) => a.id === approval.id || (a.like !== undefined && a.like === approval.like));
  }

  isWaiting(id: ApprovalId): boolean {
    return this.approvals.some((a) => a.id === id);
  }

  ended(id: ApprovalId): EndedApproval | null {
    return this.snapshot?.recent.find((r) => r.id === id) ?? null;
  }

  showApproval(id: ApprovalId): void {
    this.view = 'approvals';
    const approval = this.approvals.find((a) => a.id === id);
    this.#wanted = approval ? null : id;
    if (approval) this.shown = approval;
  }

  /** For other surfaces, which name a view; one that does not exist changes nothing. */
  showView(name: string): void {
    this.missedWanted = name === 'missed';
    this.view = this.missedWanted ? 'approvals' : (VIEWS.find((view) => view === name) ?? this.view);
  }

  showTeam(name: TeamName): void {
    this.view = 'teams';
    this.teamName = name;
  }

  /** Answers an approval and goes on to the next; true when the answer was taken. */
  async answer(approval: ApprovalView, answer: Answer): Promise<boolean> {
    const position = this.approvals.findIndex((a) => a.id === approval.id);
    const done = await this.attempt(() => this.api.answer(approval.id, answer));
    if (!done) return false;
    this.announcement = `${answer.answer === 'allow' ? 'Allowed' : 'Denied'}: ${approval.tool} for ${approval.team}.`;
    if (this.shown?.id === approval.id) {
      const others = this.approvals.filter((a) => a.id !== approval.id);
      this.shown = others[Math.min(Math.max(position, 0), others.length - 1)] ?? this.shown;
    }
    return true;
  }

  /** Answers several that the person saw together; what was not answered becomes a notice that says why. */
  async answerTogether(approvals: ApprovalView[], answer: Answer): Promise<boolean> {
    const ids = approvals.map((a) => a.id);
    const done = await this.attempt(() => this.api.answerTogether(ids, answer));
    if (!done) return false;
    const { answered, not } = done.value;
    this.announcement = `${answered.length} ${answer.answer === 'allow' ? 'allowed' : 'denied'}.`;
    const [first] = not;
    if (first) {
      const { problem } = first;
      const more = not.length === 1 ? '' : ` (and ${not.length - 1} more were not, too)`;
      this.notify({ ...problem, message: `${answered.length} of ${ids.length} were answered. ${problem.message}${more}` });
    }
    if (this.shown && ids.includes(this.shown.id)) {
      this.shown = this.approvals.find((a) => !ids.includes(a.id)) ?? this.shown;
    }
    return true;
  }

  async wake(team: TeamName): Promise<void> {
    await this.#once(this.starting, team, () => this.api.wake(team));
  }

  /** Also while the team is being started. */
  async sleep(team: TeamName): Promise<void> {
    await this.#once(this.stopping, team, () => this.api.sleep(team));
  }

  /** Says something in the person's session with a team: what becomes of it stands there, but for what Iris
   * did not even take. */
  async tell(team: TeamName, text: string): Promise<void> {
    const { outcome, failure } = await this.send(team, text, TELL_MS);
    if (failure) this.notify(failure);
    if (outcome?.status !== 'failed' || !outcome.error) return;
    const kept = await this.attempt(() => this.api.messages('console', team));
    if (kept && !kept.value.some((message) => message.id === outcome.id)) this.notify(outcome.error);
  }

  async send(team: TeamName, text: string, timeoutMs: number): Promise<Task> {
    this.#sent += 1;
    const task: Task = { id: this.#sent, text, startedAt: Date.now() };
    const tasks = () => this.tasks.get(team) ?? [];
    const end = (how: Partial<Task>): Task => {
      const ended = { ...task, ...how };
      this.tasks.set(
        team,
        tasks().map((t) => (t.id === task.id ? ended : t)),
      );
      return ended;
    };
    this.tasks.set(team, [task, ...tasks()].slice(0, TASKS_KEPT));
    this.drafts.delete(team);
    try {
      const outcome = await this.api.send(team, text, timeoutMs);
      this.announcement = `${team}: ${STATUSES[outcome.status].title}.`;
      return end({ outcome });
    } catch (thrown) {
      this.announcement = `${team}: the task failed.`;
      return end({ failure: asProblem(thrown) });
    }
  }

  /** Tries the way to a remote team; what it says stands in `tests`. */
  async test(team: TeamName): Promise<void> {
    if (this.tests.get(team)?.running) return;
    let test: ConnectionTest = { steps: [], running: true };
    const set = (change: Partial<ConnectionTest>) => this.tests.set(team, (test = { ...test, ...change }));
    set({});
    try {
      await this.api.testConnection(team, (step) => {
        const known = test.steps.some((s) => s.name === step.name);
        set({ steps: known ? test.steps.map((s) => (s.name === step.name ? step : s)) : [...test.steps, step] });
      });
      const failed = test.steps.find((s) => s.state === 'failed');
      this.announcement = failed ? `${team}: ${failed.name} failed.` : `${team}: the connection works.`;
    } catch (thrown) {
      set({ failure: asProblem(thrown) });
    } finally {
      set({ running: false });
    }
  }

  /** Runs a command; an error becomes a notice. `null` when it failed. */
  async attempt<T>(command: () => Promise<T>): Promise<{ value: T } | null> {
    try {
      return { value: await command() };
    } catch (thrown) {
      this.notify(asProblem(thrown));
      return null;
    }
  }

  notify(problem: Problem): void {
    this.notices = [...this.notices.filter((n) => n.message !== problem.message), problem];
  }

  dismiss(problem: Problem): void {
    this.notices = this.notices.filter((n) => n !== problem);
  }

  async #once(running: SvelteSet<TeamName>, team: TeamName, command: () => Promise<void>): Promise<void> {
    if (running.has(team)) return;
    running.add(team);
    await this.attempt(command);
    running.delete(team);
  }

  #take(snapshot: Snapshot): void {
    const before = this.snapshot;
    // Nothing can wait yet: a first look starts where the first step is.
    if (!before && snapshot.teams.length === 0 && snapshot.approvals.length === 0) this.view = 'teams';
    const known = new Set(before?.approvals.map((a) => a.id));
    const fresh = snapshot.approvals.filter((a) => !known.has(a.id));
    // Decided on the state before: an approval that ends just now stays on show to say how.
    const free = this.shown === null || !known.has(this.shown.id);
    this.snapshot = snapshot;
    this.unreachable = null;
    this.now = Date.now();

    const wanted = snapshot.approvals.find((a) => a.id === this.#wanted);
    const same = snapshot.approvals.find((a) => a.id === this.shown?.id);
    if (wanted) {
      this.#wanted = null;
      this.shown = wanted;
    } else if (same) {
      // Keeps the object while it is the same request, so that nothing on show is built anew.
      if (same.digest !== this.shown?.digest) this.shown = same;
    } else if (free) {
      this.shown = (before ? fresh[0] : snapshot.approvals[0]) ?? this.shown;
    }
    if (!snapshot.teams.some((t) => t.name === this.teamName)) {
      this.teamName = snapshot.teams[0]?.name ?? null;
    }
    const asked = snapshot.prompts.find((p) => !before?.prompts.some((known) => known.id === p.id));
    if (before && asked) this.announcement = `${asked.host}: ${promptTitle(asked.kind)}.`;
    const asking = snapshot.approvals.filter((a) => a.forwardedTo === undefined && !isAsked(before, a.id));
    const [first] = asking;
    if (before && first) {
      this.announcement =
        asking.length === 1
          ? `${first.team} wants to use ${first.tool}: ${first.summary}`
          : `${asking.length} new approvals are waiting.`;
    }
  }
}

/** Whether the person was asked this before. */
function isAsked(before: Snapshot | null, id: ApprovalId): boolean {
  return before?.approvals.some((a) => a.id === id && a.forwardedTo === undefined) ?? false;
}

/** Calls `draw` every second while the window can be seen; returns how to stop that. */
function ticking(draw: () => void): () => void {
  let timer: ReturnType<typeof setInterval> | undefined;
  function follow() {
    clearInterval(timer);
    if (document.visibilityState === 'hidden') return;
    draw();
    timer = setInterval(draw, TICK_MS);
  }
  follow();
  document.addEventListener('visibilitychange', follow);
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', follow);
  };
}

/** The window's one `Iris`, for every component below the root. */
export const [getIris, setIris] = createContext<Iris>();
