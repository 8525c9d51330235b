// The only file that names Tauri: everything else talks to an `Api`, so that the window's content
// also runs in a browser and in tests, against `fake.ts`.
import { Channel, invoke, isTauri } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';

import type { Answer } from '../bindings/Answer';
import type { ApprovalId } from '../bindings/ApprovalId';
import type { Consequences } from '../bindings/Consequences';
import type { Deleted } from '../bindings/Deleted';
import type { Filter } from '../bindings/Filter';
import type { Forked } from '../bindings/Forked';
import type { FrozenView } from '../bindings/FrozenView';
import type { GrantId } from '../bindings/GrantId';
import type { GrantPermission } from '../bindings/GrantPermission';
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
import type { TestStep } from '../bindings/TestStep';
import type { Together } from '../bindings/Together';
import type { TranscriptPage } from '../bindings/TranscriptPage';
import type { TranscriptQuery } from '../bindings/TranscriptQuery';

export type { TestStep };

/** What a shortcut does. */
export const SHORTCUTS = ['next', 'allow', 'deny', 'freeze'] as const;

/** How Iris asks for attention. */
export interface Attention {
  notifications: boolean;
  /** `HH:MM`; absent: there are none. */
  quietHours?: { from: string; to: string };
  /** Such as `Ctrl+Alt+A`. */
  shortcuts: Partial<Record<(typeof SHORTCUTS)[number], string>>;
}

/** A change to a team. Absent: left as it is; an empty text, an empty list and a zero remove an
 * optional field, and so does `null` where it may stand. */
export interface TeamEdit {
  name?: TeamName;
  path?: string;
  description?: string;
  /** `#rrggbb`. */
  color?: string;
  grantPermission?: GrantPermission;
  /** `user@host`, or as typed after `ssh`; empty: the team runs here. */
  remote?: string;
  remoteOptions?: RemoteOptionsEdit;
  /** Carry the MCP endpoint to the host. */
  enableReverseMcp?: boolean;
  reverseMcpPort?: number;
  /** Plain HTTP inside the tunnel. */
  allowHttp?: boolean;
  reverseMcpPermissions?: PermissionsEdit;
  reverseMcpRateLimit?: RateLimitEdit;
  claudePath?: string;
  /** Variables of its agent's environment; those that are not here stay. */
  env?: Record<string, EnvEdit>;
  /** Its own rules. */
  approvalPolicy?: RulesEdit;
}

/** Whole lists of rules. Absent: left as it is; `null`: not written, so that those hold that Iris has then. */
export interface RulesEdit {
  deny?: string[] | null;
  requireApproval?: string[] | null;
  autoApprove?: string[] | null;
}

/** What holds for all teams, as far as it is about permission. */
export interface CommonEdit {
  /** `null`: said by each team, or Iris's own. */
  grantPermission?: GrantPermission | null;
  approvalPolicy?: RulesEdit;
}

/** Where a variable's value is: in the config (which never says what it is), in the keychain under a
 * name, or nowhere: it goes. */
export type EnvEdit = { from: 'text'; value?: string } | { from: 'keychain'; name: string } | { from: 'nowhere' };

/** How the host is reached. */
export interface RemoteOptionsEdit {
  identity?: string;
  port?: number;
  /** Seconds. */
  connectTimeout?: number;
  /** Seconds; 0: none. */
  serverAliveInterval?: number | null;
  serverAliveCountMax?: number;
  compression?: boolean | null;
  forwardAgent?: boolean | null;
  strictHostKeyChecking?: 'ask' | 'yes';
  extraSshArgs?: string[];
}

/** What the team may call here: Iris tools and teams, with globs. */
export interface PermissionsEdit {
  allowedTools?: string[];
  deniedTools?: string[];
  allowedTargets?: string[];
  deniedTargets?: string[];
}

/** How often it may call Iris's tools. Times in seconds. */
export interface RateLimitEdit {
  points?: number;
  duration?: number;
  /** 0: until `duration` is over. */
  blockDuration?: number | null;
}

/** What ssh makes of a host. */
export interface ResolvedHost {
  user: string;
  host: string;
  port: number;
  /** What the connection goes through; `null`: nothing. */
  via: string | null;
}

/** Where a secret is kept: in the OS keychain, or in memory until Iris ends. */
export type Place = 'keychain' | 'thisRun';

/** A secret that is kept; never its value. */
export interface SecretItem {
  name: string;
  place: Place;
  /** Since when; `null` for one in memory. */
  keptAt: string | null;
}

/** `settings.slack`; the tokens by their names in the keychain. */
export interface SlackEdit {
  channel: string;
  approvers: string[];
  appToken: string;
  botToken: string;
}

/** What can be posted to webhooks. */
export const WEBHOOK_EVENTS = ['approval.asked', 'approval.ended', 'team.trouble', 'link.lost', 'freeze', 'thaw', 'iris.trouble'] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** A webhook; the secret by its name. Of one that is there, `url` has no path. */
export interface WebhookItem {
  url: string;
  secret: string;
  /** Absent: all. */
  events?: WebhookEvent[];
}

/** How the test of a webhook went. */
export interface WebhookTest {
  url: string;
  problem?: Problem;
}

/** What is set for Slack and webhooks. */
export interface OutsideSettings {
  slack?: SlackEdit;
  webhooks: WebhookItem[];
}

/** A page of audit rows, newest first. */
export interface AuditQuery {
  filter: Filter;
  /** Only rows before this place, for paging backwards. */
  before?: number;
  /** At most so many; the core gives 500 at most. */
  limit?: number;
}

/** What a check of the record found. */
export interface ChainCheck {
  rows: number;
  /** Up to where rows were pruned when they were old. */
  pruned?: { seq: number; hash: string; rows: number; time: string };
  /** The first row that does not fit, and why. */
  broken: [number, string] | null;
}

export type ExportFormat = 'jsonl' | 'csv';

/** What the core does for the window. Every promise rejects with a `Problem`. */
export interface Api {
  snapshot(): Promise<Snapshot>;
  answer(id: ApprovalId, answer: Answer): Promise<void>;
  /** Gives these approvals one answer, each by itself; to be allowed they must be alike. */
  answerTogether(ids: ApprovalId[], answer: Answer): Promise<Together>;
  /** What would come of granting this with an answer, with this input in place of the asked one. */
  previewGrant(id: ApprovalId, what: Scope, input?: unknown): Promise<Preview>;
  revokeGrant(id: GrantId): Promise<void>;
  /** Gives a grant that ends by the clock five minutes more. */
  extendGrant(id: GrantId): Promise<void>;
  /** Allows the agent's next try of a missed request. */
  allowMissed(id: ApprovalId): Promise<void>;
  dismissMissed(id: ApprovalId): Promise<void>;
  /** Starts a team's agent; resolves when it is ready. */
  wake(team: TeamName): Promise<void>;
  /** Stops a team's agent. */
  sleep(team: TeamName): Promise<void>;
  /** Gives a team a task and waits for the answer, at most `timeoutMs` milliseconds. */
  send(team: TeamName, text: string, timeoutMs: number): Promise<SendOutcome>;
  /** The conversations of all pairs, those that rest included. */
  listSessions(): Promise<ListedSession[]>;
  /** Stops the running turn of a pair's conversation; the agent stays. Whether something ran. */
  interrupt(from: Party, to: TeamName): Promise<boolean>;
  /** The latest messages of a pair, newest first; of long texts the head and the tail. */
  messages(from: Party, to: TeamName): Promise<Message[]>;
  /** Takes a message back that waits, or stops the turn that answers it. Whether it had not ended. */
  cancelMessage(id: string): Promise<boolean>;
  /** Opens a copy of a pair's conversation in the person's terminal. */
  forkSession(from: Party, to: TeamName): Promise<Forked>;
  /** Begins a new conversation for a pair; the old one stays until the new one is ready. */
  rebootSession(from: Party, to: TeamName): Promise<Rebooted>;
  /** Deletes the conversation of a pair, with Claude Code's own record of it. */
  deleteSession(from: Party, to: TeamName): Promise<Deleted>;
  /** Ends the process of a pair's conversation; whether there was one. */
  sleepSession(from: Party, to: TeamName): Promise<boolean>;
  /** Stops the agents of a team, or all, where they stand. */
  freeze(team?: TeamName): Promise<FrozenView>;
  /** Lets them go on. */
  thaw(team?: TeamName): Promise<void>;
  addTeam(name: TeamName, edit: TeamEdit): Promise<void>;
  editTeam(name: TeamName, edit: TeamEdit): Promise<void>;
  removeTeam(name: TeamName): Promise<void>;
  /** What a team is set to; nothing is `null`. */
  teamSettings(name: TeamName): Promise<TeamEdit>;
  /** The rules of a team and those that hold besides; no name: of a new team. */
  teamRules(name?: TeamName): Promise<RulesView>;
  /** The ready-made policies, the strictest first. */
  policyTemplates(): Promise<PolicyTemplate[]>;
  /** The rules for all teams. */
  commonRules(): Promise<RulesView>;
  /** What is wrong with rules that are being typed, each; `null`: nothing. */
  checkRules(rules: string[]): Promise<(RuleMistake | null)[]>;
  /** What would come of an edit of a team. */
  previewTeam(name: TeamName, edit: TeamEdit): Promise<Consequences>;
  /** What would come of other rules for all teams. */
  previewCommon(edit: CommonEdit): Promise<Consequences>;
  editCommonRules(edit: CommonEdit): Promise<void>;
  /** The names of hosts in `~/.ssh/config`. */
  sshHosts(): Promise<string[]>;
  /** What ssh makes of a host; nothing is connected. */
  resolveHost(remote: string, options: RemoteOptionsEdit): Promise<ResolvedHost>;
  /** What is wrong with a host that is being typed, and with the arguments for `ssh`. */
  checkRemote(remote: string, extra: string[]): Promise<TargetMistakes>;
  /** Tries the way to a remote team, step by step; resolves after the last. */
  testConnection(name: TeamName, onStep: (step: TestStep) => void): Promise<void>;
  /** Answers what `ssh` asks; `yes` or `no` where that is asked. Says where it was remembered. */
  answerPrompt(id: PromptId, text: string, remember: boolean): Promise<Place | null>;
  /** Gives up the connection for which `ssh` asks. */
  cancelPrompt(id: PromptId): Promise<void>;
  listSecrets(): Promise<SecretItem[]>;
  /** Where the value is that `keychain:NAME` means; `null`: nowhere. Nothing tells the value. */
  findSecret(name: string): Promise<Place | null>;
  /** Keeps a value for `keychain:NAME`; says where. */
  keepSecret(name: string, value: string): Promise<Place>;
  forgetSecret(name: string): Promise<void>;
  outsideSettings(): Promise<OutsideSettings>;
  /** Sets Slack up; `null` takes it out. */
  editSlack(edit: SlackEdit | null): Promise<void>;
  /** Writes a line into the channel, and tries the tokens. */
  testSlack(): Promise<void>;
  addWebhook(edit: WebhookItem): Promise<void>;
  /** Takes out the one at this place, if it is still this one. */
  removeWebhook(at: number, url: string): Promise<void>;
  testWebhooks(): Promise<WebhookTest[]>;
  audit(query: AuditQuery): Promise<Row[]>;
  /** Checks that no row was changed or removed. */
  verifyAudit(): Promise<ChainCheck>;
  /** Writes rows to a file that the user picks in the system's dialog; `null` when it was cancelled. */
  exportAudit(filter: Filter, format: ExportFormat): Promise<{ path: string; rows: number } | null>;
  /** What happened in sessions, oldest first. */
  transcript(query: TranscriptQuery): Promise<TranscriptPage>;
  /** What comes after `after`, as soon as there is some; an empty page when nothing came for a while. Who asks again with `upto` misses nothing. */
  newerTranscript(query: TranscriptQuery): Promise<TranscriptPage>;
  /** The system's folder dialog; `null` when it was cancelled. */
  pickFolder(): Promise<string | null>;
  /** Ends Iris; it stops every agent. */
  quit(): Promise<void>;
  /** Calls `handler` with every new state; returns how to stop that. */
  onSnapshot(handler: (snapshot: Snapshot) => void): Promise<() => void>;
  /** Calls `handler` when another surface asks to show an approval. */
  onShowApproval(handler: (id: ApprovalId) => void): Promise<() => void>;
  /** How Iris asks for attention. */
  attention(): Promise<Attention>;
  /** Sets that, whole. */
  editAttention(edit: Attention): Promise<void>;
  /** Says which view is on show: no notification tells of what is before the person's eyes. */
  showing(view: string): Promise<void>;
  /** Calls `handler` when a global shortcut is pressed while the window can be seen. */
  onPress(handler: (button: string) => void): Promise<() => void>;
  /** Calls `handler` when another surface asks to show a view. */
  onShowView(handler: (view: string) => void): Promise<() => void>;
}

/** True in the window of the desktop app. */
export const inDesktop = isTauri;

/** The real core, over Tauri's commands and events. */
export const desktop: Api = {
  snapshot: () => invoke('snapshot'),
  answer: (id, answer) => invoke('answer', { id, answer }),
  answerTogether: (ids, answer) => invoke('answer_together', { ids, answer }),
  previewGrant: (id, what, input) => invoke('preview_grant', { id, what, input }),
  revokeGrant: (id) => invoke('revoke_grant', { id }),
  extendGrant: (id) => invoke('extend_grant', { id }),
  allowMissed: (id) => invoke('allow_missed', { id }),
  dismissMissed: (id) => invoke('dismiss_missed', { id }),
  wake: (team) => invoke('wake', { team }),
  sleep: (team) => invoke('sleep', { team }),
  send: (team, text, timeoutMs) => invoke('send', { team, text, timeoutMs }),
  listSessions: () => invoke('list_sessions'),
  interrupt: (from, to) => invoke('interrupt', { from, to }),
  messages: (from, to) => invoke('messages', { from, to }),
  cancelMessage: (id) => invoke('cancel_message', { id }),
  forkSession: (from, to) => invoke('fork_session', { from, to }),
  rebootSession: (from, to) => invoke('reboot_session', { from, to }),
  deleteSession: (from, to) => invoke('delete_session', { from, to }),
  sleepSession: (from, to) => invoke('sleep_session', { from, to }),
  freeze: (team) => invoke('freeze', { team }),
  thaw: (team) => invoke('thaw', { team }),
  addTeam: (name, edit) => invoke('add_team', { name, edit }),
  editTeam: (name, edit) => invoke('edit_team', { name, edit }),
  removeTeam: (name) => invoke('remove_team', { name }),
  teamSettings: async (name) => withoutNulls(await invoke('team_settings', { name })),
  teamRules: (name) => invoke('team_rules', { name }),
  policyTemplates: () => invoke('policy_templates'),
  commonRules: () => invoke('common_rules'),
  checkRules: (rules) => invoke('check_rules', { rules }),
  previewTeam: (name, edit) => invoke('preview_team', { name, edit }),
  previewCommon: (edit) => invoke('preview_common', { edit }),
  editCommonRules: (edit) => invoke('edit_common_rules', { edit }),
  sshHosts: () => invoke('ssh_hosts'),
  resolveHost: (remote, options) => invoke('resolve_host', { remote, options }),
  checkRemote: (remote, extra) => invoke('check_remote', { remote, extra }),
  testConnection: (name, onStep) => {
    const steps = new Channel<TestStep>();
    steps.onmessage = onStep;
    return invoke('test_connection', { name, onStep: steps });
  },
  answerPrompt: (id, text, remember) => invoke('answer_prompt', { id, text, remember }),
  cancelPrompt: (id) => invoke('cancel_prompt', { id }),
  listSecrets: () => invoke('list_secrets'),
  findSecret: (name) => invoke('find_secret', { name }),
  keepSecret: (name, value) => invoke('keep_secret', { name, value }),
  forgetSecret: (name) => invoke('forget_secret', { name }),
  outsideSettings: () => invoke('outside_settings'),
  editSlack: (edit) => invoke('edit_slack', { edit }),
  testSlack: () => invoke('test_slack'),
  addWebhook: (edit) => invoke('add_webhook', { edit }),
  removeWebhook: (at, url) => invoke('remove_webhook', { at, url }),
  testWebhooks: () => invoke('test_webhooks'),
  audit: (query) => invoke('audit', { query }),
  verifyAudit: () => invoke('verify_audit'),
  exportAudit: (filter, format) => invoke('export_audit', { filter, format }),
  transcript: (query) => invoke('transcript', { query }),
  newerTranscript: (query) => invoke('newer_transcript', { query }),
  pickFolder: () => invoke('pick_folder'),
  quit: () => invoke('quit'),
  attention: () => invoke('attention'),
  editAttention: (edit) => invoke('edit_attention', { edit }),
  showing: (view) => invoke('showing', { view }),
  onPress: (handler) => listen<string>('press', (event) => handler(event.payload)),
  onSnapshot: (handler) => listen<Snapshot>('snapshot', (event) => handler(event.payload)),
  onShowApproval: async (handler) => {
    const stop = await listen<ApprovalId>('show-approval', (event) => handler(event.payload));
    // A window that was opened to show an approval hears no event yet: its address names it.
    const wanted = fromAddress('approval');
    if (wanted) handler(wanted);
    return stop;
  },
  onShowView: async (handler) => {
    const stop = await listen<string>('show-view', (event) => handler(event.payload));
    const wanted = fromAddress('view');
    if (wanted) handler(wanted);
    return stop;
  },
};

function fromAddress(name: string): string | null {
  return new URLSearchParams(location.hash.slice(1)).get(name);
}

/** What Rust says with `null`, said by leaving it out. */
function withoutNulls<T>(value: unknown): T {
  return JSON.parse(JSON.stringify(value), (_key, part: unknown) => (part === null ? undefined : part)) as T;
}
