// A core that lives in memory: for tests, and for working on the window in a browser. The built
// app does not contain it.
import type { Answer } from '../bindings/Answer';
import type { ApprovalId } from '../bindings/ApprovalId';
import type { Consequences } from '../bindings/Consequences';
import type { Deleted } from '../bindings/Deleted';
import type { Filter } from '../bindings/Filter';
import type { Forked } from '../bindings/Forked';
import type { FrozenView } from '../bindings/FrozenView';
import type { GrantId } from '../bindings/GrantId';
import type { Line } from '../bindings/Line';
import type { ListedSession } from '../bindings/ListedSession';
import type { Message } from '../bindings/Message';
import type { Party } from '../bindings/Party';
import type { PolicyTemplate } from '../bindings/PolicyTemplate';
import type { Preview } from '../bindings/Preview';
import type { Problem } from '../bindings/Problem';
import type { PromptId } from '../bindings/PromptId';
import type { Rebooted } from '../bindings/Rebooted';
import type { Row } from '../bindings/Row';
import type { RuleMistake } from '../bindings/RuleMistake';
import type { RulesView } from '../bindings/RulesView';
import type { Scope } from '../bindings/Scope';
import type { SendOutcome } from '../bindings/SendOutcome';
import type { Snapshot } from '../bindings/Snapshot';
import type { TargetMistakes } from '../bindings/TargetMistakes';
import type { TeamName } from '../bindings/TeamName';
import type { TeamView } from '../bindings/TeamView';
import type { Together } from '../bindings/Together';
import type { TranscriptPage } from '../bindings/TranscriptPage';
import type { TranscriptQuery } from '../bindings/TranscriptQuery';
import type { Api, Attention, AuditQuery, ChainCheck, CommonEdit, ExportFormat, OutsideSettings, Place, RemoteOptionsEdit, ResolvedHost, SecretItem, SlackEdit, TeamEdit, TestStep, WebhookItem, WebhookTest } from './api';
import { asProblem } from './problem';
import { problem, emptySnapshot, aTeam, aPreview, aRulesView, someConsequences, GOOD_TEST } from './samples';
import { TEMPLATES } from './templates';

export * from './samples';

export class FakeApi implements Api {
  /** Every command as it arrived, for tests. */
  readonly calls: { name: string; args: unknown[] }[] = [];
  /** Set to make the named command fail with this. */
  readonly failures = new Map<string, Problem>();
  /** What `pickFolder` answers. */
  folder: string | null = '/home/you/code/billing';
  /** What `send` answers. */
  outcome: Partial<SendOutcome> = { status: 'answered', response: 'Done.' };
  rows: Row[] = [];
  /** What `verifyAudit` finds, beside the rows. */
  check: Partial<ChainCheck> = {};
  /** What happened in sessions. */
  lines: Line[] = [];
  #heard: (() => void)[] = [];
  /** The messages, oldest first. */
  posted: Message[] = [];
  /** Conversations that were not used since the start. */
  resting: ListedSession[] = [];
  /** Which file is picked for an export. */
  file: string | null = '/home/you/Documents/iris-audit';
  /** What the teams are set to, beyond what their views show. */
  readonly settings = new Map<TeamName, TeamEdit>();
  /** What `testConnection` says. */
  test: TestStep[] = GOOD_TEST;
  secrets: SecretItem[] = [];
  /** What is set for Slack and webhooks. */
  outside: OutsideSettings = { webhooks: [] };
  /** The hosts of `~/.ssh/config`, and what they lead to. */
  hosts: Record<string, Partial<ResolvedHost>> = {};
  /** What `previewGrant` answers. */
  preview: (id: ApprovalId, what: Scope, input?: unknown) => Preview | Promise<Preview> = (_id, what) =>
    aPreview({ rules: what.scope === 'rules' ? what.rules : what.scope === 'tool' ? ['Bash'] : [] });
  /** The rules of teams; `''`: of all. */
  readonly rules = new Map<TeamName, RulesView>();
  /** What the previews of rules answer. */
  consequences: (edit: TeamEdit | CommonEdit) => Consequences | Promise<Consequences> = () => someConsequences();
  /** Where answers are remembered. */
  place: Place = 'keychain';

  #listeners = new Set<(snapshot: Snapshot) => void>();
  #shows = new Set<(id: ApprovalId) => void>();
  #views = new Set<(view: string) => void>();
  #presses = new Set<(button: string) => void>();
  /** How it asks for attention. */
  attentive: Attention = { notifications: true, shortcuts: {} };
  /** The view that the window said it shows. */
  onShow = '';

  constructor(
    public state: Snapshot = emptySnapshot(),
    /** How long commands take, milliseconds. */
    readonly delay = 0,
  ) {}

  /** Publishes a changed state. */
  publish(change: Partial<Snapshot>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener(this.state);
  }

  /** Another surface asks to show an approval. */
  show(id: ApprovalId): void {
    for (const listener of this.#shows) listener(id);
  }

  /** Another surface asks to show a view. */
  showView(view: string): void {
    for (const listener of this.#views) listener(view);
  }

  /** An approval ends, whoever ended it. */
  end(id: ApprovalId, decision: 'allow' | 'deny', decidedBy: string): void {
    const approval = this.state.approvals.find((a) => a.id === id);
    if (!approval) throw problem('alreadyDecided', 'Somebody answered this first.', 'Look at Activity to see who.');
    const { team, tool, summary } = approval;
    this.publish({
      approvals: this.state.approvals.filter((a) => a.id !== id),
      recent: [{ id, team, tool, summary, decision, decidedBy, time: new Date().toISOString() }, ...this.state.recent],
    });
  }

  async snapshot(): Promise<Snapshot> {
    await this.#call('snapshot');
    return this.state;
  }

  async answer(id: ApprovalId, answer: Answer): Promise<void> {
    await this.#call('answer', id, answer);
    this.end(id, answer.answer, 'human:window:you');
  }

  async answerTogether(ids: ApprovalId[], answer: Answer): Promise<Together> {
    await this.#call('answerTogether', ids, answer);
    const together: Together = { answered: [], not: [] };
    for (const id of ids) {
      try {
        this.end(id, answer.answer, 'human:window:you');
        together.answered.push(...this.state.recent.slice(0, 1));
      } catch (thrown) {
        together.not.push({ id, problem: asProblem(thrown) });
      }
    }
    return together;
  }

  async previewGrant(id: ApprovalId, what: Scope, input?: unknown): Promise<Preview> {
    await this.#call('previewGrant', id, what, input);
    return this.preview(id, what, input);
  }

  async revokeGrant(id: GrantId): Promise<void> {
    await this.#call('revokeGrant', id);
    this.publish({ grants: this.state.grants.filter((g) => g.id !== id) });
  }

  async extendGrant(id: GrantId): Promise<void> {
    await this.#call('extendGrant', id);
    const later = (at: string) => new Date(Date.parse(at) + 300_000).toISOString();
    this.publish({ grants: this.state.grants.map((g) => (g.id === id && g.expiresAt ? { ...g, expiresAt: later(g.expiresAt) } : g)) });
  }

  async allowMissed(id: ApprovalId): Promise<void> {
    await this.#call('allowMissed', id);
    const allowedUntil = new Date(Date.now() + 1_800_000).toISOString();
    this.publish({ missed: this.state.missed.map((m) => (m.id === id ? { ...m, allowedUntil } : m)) });
  }

  async dismissMissed(id: ApprovalId): Promise<void> {
    await this.#call('dismissMissed', id);
    this.publish({ missed: this.state.missed.filter((m) => m.id !== id) });
  }

  async wake(team: TeamName): Promise<void> {
    this.#change(team, { state: 'waking' });
    await this.#call('wake', team);
    const { problem: _mended, ...rest } = this.#team(team);
    this.#replace(team, { ...rest, state: 'idle' });
  }

  async sleep(team: TeamName): Promise<void> {
    await this.#call('sleep', team);
    this.#change(team, { state: 'asleep' });
  }

  async send(team: TeamName, text: string, timeoutMs: number): Promise<SendOutcome> {
    await this.#call('send', team, text, timeoutMs);
    return { id: crypto.randomUUID(), from: 'console', to: team, status: 'answered', duration: 14_200, ...this.outcome };
  }

  async listSessions(): Promise<ListedSession[]> {
    await this.#call('listSessions');
    const used = this.state.teams.flatMap((team) =>
      team.sessions.map(({ id, from, state, pid, queued, lastActivity, spent }) => ({
        id, from, to: team.name, begun: true, state, pid, queued, lastUsed: lastActivity, spent,
        messages: this.posted.filter((m) => m.from === from && m.to === team.name).length,
      })),
    );
    return [...used, ...this.resting];
  }

  async interrupt(from: Party, to: TeamName): Promise<boolean> {
    await this.#call('interrupt', from, to);
    this.#change(to, { state: 'idle' });
    return true;
  }

  async messages(from: Party, to: TeamName): Promise<Message[]> {
    await this.#call('messages', from, to);
    return this.posted.filter((m) => m.from === from && m.to === to).reverse();
  }

  async cancelMessage(id: string): Promise<boolean> {
    await this.#call('cancelMessage', id);
    const settledAt = new Date().toISOString();
    this.posted = this.posted.map((m) => (m.id === id && m.settledAt === undefined ? { ...m, state: 'cancelled', settledAt } : m));
    return true;
  }

  async forkSession(from: Party, to: TeamName): Promise<Forked> {
    await this.#call('forkSession', from, to);
    const { path, host, sessions } = this.#team(to);
    const session = sessions.find((it) => it.from === from)?.id ?? crypto.randomUUID();
    return { from, to, session, path, host, terminal: 'kitty', command: `claude --resume ${session} --fork-session` };
  }

  async rebootSession(from: Party, to: TeamName): Promise<Rebooted> {
    await this.#call('rebootSession', from, to);
    const session = this.#team(to).sessions.find((it) => it.from === from);
    const fresh = crypto.randomUUID();
    this.#change(to, { sessions: this.#team(to).sessions.map((it) => (it.from === from ? { ...it, id: fresh } : it)) });
    return { from, to, old: session?.id, new: fresh, ended: session?.pid !== undefined, record: { removed: [] } };
  }

  async deleteSession(from: Party, to: TeamName): Promise<Deleted> {
    await this.#call('deleteSession', from, to);
    const session = this.#team(to).sessions.find((it) => it.from === from);
    this.#change(to, { sessions: this.#team(to).sessions.filter((it) => it.from !== from) });
    return { from, to, session: session?.id, ended: session?.pid !== undefined, record: { removed: [] } };
  }

  async sleepSession(from: Party, to: TeamName): Promise<boolean> {
    await this.#call('sleepSession', from, to);
    return this.#team(to).sessions.some((it) => it.from === from && it.pid !== undefined);
  }

  async freeze(team?: TeamName): Promise<FrozenView> {
    await this.#call('freeze', team);
    const proof = { found: 7, stopped: 7, tookMs: 412, unreached: {} };
    const frozen: FrozenView = { since: new Date().toISOString(), by: 'human:window:you', order: 1, proof };
    const teams = this.state.teams.map((t) => (team === undefined || t.name === team ? { ...t, frozen } : t));
    this.publish(team === undefined ? { frozen, teams } : { teams });
    return frozen;
  }

  async thaw(team?: TeamName): Promise<void> {
    await this.#call('thaw', team);
    const teams = this.state.teams.map((t) => (team === undefined || t.name === team ? { ...t, frozen: undefined } : t));
    this.publish({ frozen: team === undefined ? undefined : this.state.frozen, teams });
  }

  async addTeam(name: TeamName, edit: TeamEdit): Promise<void> {
    await this.#call('addTeam', name, edit);
    this.publish({ teams: [...this.state.teams, edited(aTeam(name), edit)].sort((a, b) => a.name.localeCompare(b.name)) });
  }

  async editTeam(name: TeamName, edit: TeamEdit): Promise<void> {
    await this.#call('editTeam', name, edit);
    this.#replace(name, edited(this.#team(name), edit));
  }

  async removeTeam(name: TeamName): Promise<void> {
    await this.#call('removeTeam', name);
    this.publish({ teams: this.state.teams.filter((t) => t.name !== name) });
  }

  async teamSettings(name: TeamName): Promise<TeamEdit> {
    await this.#call('teamSettings', name);
    const { path, mode, host, description, color } = this.#team(name);
    return {
      name,
      path,
      grantPermission: mode,
      ...(description === undefined ? {} : { description }),
      ...(color === undefined ? {} : { color }),
      ...(host === 'local' ? {} : { remote: host }),
      ...this.settings.get(name),
    };
  }

  async teamRules(name?: TeamName): Promise<RulesView> {
    await this.#call('teamRules', name);
    return this.rules.get(name ?? '') ?? aRulesView();
  }

  async policyTemplates(): Promise<PolicyTemplate[]> {
    return TEMPLATES;
  }

  async commonRules(): Promise<RulesView> {
    await this.#call('commonRules');
    return this.rules.get('') ?? aRulesView();
  }

  /** Knows one mistake: the core knows all of them. */
  async checkRules(rules: string[]): Promise<(RuleMistake | null)[]> {
    return rules.map((rule) =>
      rule.includes('(') && !rule.endsWith(')')
        ? { message: `the rule \`${rule}\` has a \`(\` and does not end with \`)\``, hint: `Perhaps you mean \`${rule})\`.` }
        : null,
    );
  }

  async previewTeam(name: TeamName, edit: TeamEdit): Promise<Consequences> {
    await this.#call('previewTeam', name, edit);
    return this.consequences(edit);
  }

  async previewCommon(edit: CommonEdit): Promise<Consequences> {
    await this.#call('previewCommon', edit);
    return this.consequences(edit);
  }

  async editCommonRules(edit: CommonEdit): Promise<void> {
    await this.#call('editCommonRules', edit);
  }

  async sshHosts(): Promise<string[]> {
    await this.#call('sshHosts');
    return Object.keys(this.hosts);
  }

  async resolveHost(remote: string, options: RemoteOptionsEdit): Promise<ResolvedHost> {
    await this.#call('resolveHost', remote, options);
    const [user, host] = remote.includes('@') ? (remote.split('@') as [string, string]) : ['you', remote];
    return { user, host, port: options.port ?? 22, via: null, ...this.hosts[remote] };
  }

  /** Knows one mistake: the core knows all of them. */
  async checkRemote(remote: string, extra: string[]): Promise<TargetMistakes> {
    const mistake = 'The ssh option `-M` cannot be used: Iris decides what runs over the connection. Remove it.';
    return {
      ...(/(^|\s)-M(\s|$)/.test(remote) ? { remote: mistake } : {}),
      ...(extra.includes('-M') ? { extraSshArgs: mistake } : {}),
    };
  }

  async testConnection(name: TeamName, onStep: (step: TestStep) => void): Promise<void> {
    for (const step of this.test) {
      if (step.state !== 'skipped') onStep({ name: step.name, state: 'running' });
      await this.#wait();
      onStep(step);
    }
    await this.#call('testConnection', name);
  }

  async answerPrompt(id: PromptId, text: string, remember: boolean): Promise<Place | null> {
    await this.#call('answerPrompt', id, text, remember);
    this.publish({ prompts: this.state.prompts.filter((p) => p.id !== id) });
    return remember ? this.place : null;
  }

  async cancelPrompt(id: PromptId): Promise<void> {
    await this.#call('cancelPrompt', id);
    this.publish({ prompts: this.state.prompts.filter((p) => p.id !== id) });
  }

  async listSecrets(): Promise<SecretItem[]> {
    await this.#call('listSecrets');
    return this.secrets;
  }

  async findSecret(name: string): Promise<Place | null> {
    await this.#call('findSecret', name);
    return this.secrets.find((s) => s.name === `env ${name}`)?.place ?? null;
  }

  async keepSecret(name: string, value: string): Promise<Place> {
    await this.#call('keepSecret', name, value);
    const rest = this.secrets.filter((s) => s.name !== `env ${name}`);
    this.secrets = [...rest, { name: `env ${name}`, place: this.place, keptAt: new Date().toISOString() }];
    return this.place;
  }

  async forgetSecret(name: string): Promise<void> {
    await this.#call('forgetSecret', name);
    this.secrets = this.secrets.filter((s) => s.name !== name);
  }

  async outsideSettings(): Promise<OutsideSettings> {
    await this.#call('outsideSettings');
    return this.outside;
  }

  async editSlack(edit: SlackEdit | null): Promise<void> {
    await this.#call('editSlack', edit);
    this.outside = { ...this.outside, slack: edit ?? undefined };
  }

  async testSlack(): Promise<void> {
    await this.#call('testSlack');
  }

  async addWebhook(edit: WebhookItem): Promise<void> {
    await this.#call('addWebhook', edit);
    this.outside = { ...this.outside, webhooks: [...this.outside.webhooks, { ...edit, url: new URL(edit.url).origin }] };
  }

  async removeWebhook(at: number, url: string): Promise<void> {
    await this.#call('removeWebhook', at, url);
    this.outside = { ...this.outside, webhooks: this.outside.webhooks.filter((_, i) => i !== at) };
  }

  async testWebhooks(): Promise<WebhookTest[]> {
    await this.#call('testWebhooks');
    return this.outside.webhooks.map(({ url }) => ({ url }));
  }

  async audit(query: AuditQuery): Promise<Row[]> {
    await this.#call('audit', query);
    return this.rows.filter((r) => meant(r, query.filter) && (query.before === undefined || r.seq < query.before)).slice(0, query.limit);
  }

  async verifyAudit(): Promise<ChainCheck> {
    await this.#call('verifyAudit');
    return { rows: this.rows.length, broken: null, ...this.check };
  }

  async exportAudit(filter: Filter, format: ExportFormat): Promise<{ path: string; rows: number } | null> {
    await this.#call('exportAudit', filter, format);
    return this.file === null ? null : { path: `${this.file}.${format}`, rows: this.rows.filter((r) => meant(r, filter)).length };
  }

  async transcript(query: TranscriptQuery): Promise<TranscriptPage> {
    await this.#call('transcript', query);
    return this.#page(query);
  }

  async newerTranscript(query: TranscriptQuery): Promise<TranscriptPage> {
    await this.#call('newerTranscript', query);
    const page = this.#page(query);
    if (page.lines.length > 0) return page;
    return new Promise((resolve) => this.#heard.push(() => resolve(this.#page(query))));
  }

  /** Something happens in a session. */
  say(line: Omit<Line, 'id'>): void {
    this.lines.push({ ...line, id: this.lines.length + 1 });
    for (const heard of this.#heard.splice(0)) heard();
  }

  #page(query: TranscriptQuery): TranscriptPage {
    const { after, before = Infinity, limit = 200 } = query;
    const meant = this.lines.filter(
      (line) =>
        line.id > (after ?? 0) &&
        line.id < before &&
        (query.team === undefined || line.to === query.team) &&
        (query.from === undefined || line.from === query.from) &&
        (query.session === undefined || line.session === query.session) &&
        (query.kinds === undefined || query.kinds.includes(line.entry.kind)) &&
        (query.search === undefined || JSON.stringify(line.entry).toLowerCase().includes(query.search.toLowerCase())),
    );
    const lines = after === undefined ? meant.slice(-limit) : meant.slice(0, limit);
    const more = meant.length > lines.length;
    return { lines, upto: after !== undefined && more ? (lines.at(-1)?.id ?? after) : this.lines.length, more };
  }

  async pickFolder(): Promise<string | null> {
    await this.#call('pickFolder');
    return this.folder;
  }

  async quit(): Promise<void> {
    await this.#call('quit');
  }

  async onSnapshot(handler: (snapshot: Snapshot) => void): Promise<() => void> {
    this.#listeners.add(handler);
    return () => this.#listeners.delete(handler);
  }

  async onShowApproval(handler: (id: ApprovalId) => void): Promise<() => void> {
    this.#shows.add(handler);
    return () => this.#shows.delete(handler);
  }

  /** A global shortcut is pressed while the window can be seen. */
  press(button: string): void {
    for (const listener of this.#presses) listener(button);
  }

  async attention(): Promise<Attention> {
    await this.#wait();
    return this.attentive;
  }

  async editAttention(edit: Attention): Promise<void> {
    await this.#call('editAttention', edit);
    this.attentive = edit;
  }

  async showing(view: string): Promise<void> {
    this.onShow = view;
  }

  async onPress(handler: (button: string) => void): Promise<() => void> {
    this.#presses.add(handler);
    return () => this.#presses.delete(handler);
  }

  async onShowView(handler: (view: string) => void): Promise<() => void> {
    this.#views.add(handler);
    return () => this.#views.delete(handler);
  }

  async #call(name: string, ...args: unknown[]): Promise<void> {
    this.calls.push({ name, args });
    await this.#wait();
    const failure = this.failures.get(name);
    if (failure) throw failure;
  }

  async #wait(): Promise<void> {
    if (this.delay > 0) await new Promise((done) => setTimeout(done, this.delay));
  }

  #team(name: TeamName): TeamView {
    const team = this.state.teams.find((t) => t.name === name);
    if (!team) throw problem('notFound', `There is no team “${name}”.`, 'Look at the Teams view for the names.');
    return team;
  }

  #change(name: TeamName, change: Partial<TeamView>): void {
    this.#replace(name, { ...this.#team(name), ...change });
  }

  #replace(name: TeamName, team: TeamView): void {
    this.publish({ teams: this.state.teams.map((t) => (t.name === name ? team : t)) });
  }
}

function edited(team: TeamView, edit: TeamEdit): TeamView {
  const { name, path, description, color, grantPermission, remote } = edit;
  const next: TeamView = { ...team };
  if (name !== undefined) next.name = name;
  if (path !== undefined) next.path = path;
  if (grantPermission !== undefined) next.mode = grantPermission;
  if (remote !== undefined) next.host = remote === '' ? 'local' : remote;
  if (description === '') delete next.description;
  else if (description !== undefined) next.description = description;
  if (color === '') delete next.color;
  else if (color !== undefined) next.color = color;
  return next;
}

/** As `Filter::matches` in the core, but for words: here they may stand anywhere. */
function meant(row: Row, filter: Filter): boolean {
  const same = (wanted: string | undefined, is: string) => wanted === undefined || wanted === is;
  const text = `${row.tool} ${JSON.stringify(row.input)} ${row.why ?? ''} ${row.decidedBy} ${row.caller} ${row.team} ${row.host} ${row.session}`.toLowerCase();
  return (
    same(filter.team, row.team) &&
    same(filter.kind, row.kind) &&
    same(filter.decision, row.decision) &&
    same(filter.tool, row.tool) &&
    (filter.by === undefined || `${row.decidedBy}:`.startsWith(`${filter.by}:`)) &&
    (filter.since === undefined || Date.parse(row.time) >= Date.parse(filter.since)) &&
    (filter.until === undefined || Date.parse(row.time) < Date.parse(filter.until)) &&
    (filter.search ?? '').toLowerCase().split(/\s+/).every((word) => text.includes(word))
  );
}
