// The only file that names Tauri: everything else talks to an `Api`, so that the window's content
// also runs in a browser and in tests, against `fake.ts`.
import { invoke, isTauri } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';

import type { Answer } from '../bindings/Answer';
import type { ApprovalId } from '../bindings/ApprovalId';
import type { GrantPermission } from '../bindings/GrantPermission';
import type { Row } from '../bindings/Row';
import type { SendOutcome } from '../bindings/SendOutcome';
import type { Snapshot } from '../bindings/Snapshot';
import type { TeamName } from '../bindings/TeamName';

/** A change to a team. Absent: left as it is; an empty text removes an optional field. */
export interface TeamEdit {
  name?: TeamName;
  path?: string;
  description?: string;
  /** `#rrggbb`. */
  color?: string;
  grantPermission?: GrantPermission;
}

/** Which audit rows; newest first. */
export interface AuditQuery {
  /** Of this team only. */
  team?: TeamName;
  /** Only rows before this place, for paging backwards. */
  before?: number;
  /** At most so many. */
  limit?: number;
}

/** What the core does for the window. Every promise rejects with a `Problem`. */
export interface Api {
  snapshot(): Promise<Snapshot>;
  answer(id: ApprovalId, answer: Answer): Promise<void>;
  /** Starts a team's agent; resolves when it is ready. */
  wake(team: TeamName): Promise<void>;
  /** Stops a team's agent. */
  sleep(team: TeamName): Promise<void>;
  /** Gives a team a task and waits for the answer, at most `timeoutMs` milliseconds. */
  send(team: TeamName, text: string, timeoutMs: number): Promise<SendOutcome>;
  /** Stops the running turn; the agent stays. */
  interrupt(team: TeamName): Promise<void>;
  addTeam(name: TeamName, edit: TeamEdit): Promise<void>;
  editTeam(name: TeamName, edit: TeamEdit): Promise<void>;
  removeTeam(name: TeamName): Promise<void>;
  audit(query: AuditQuery): Promise<Row[]>;
  /** The system's folder dialog; `null` when it was cancelled. */
  pickFolder(): Promise<string | null>;
  /** Ends Iris; it stops every agent. */
  quit(): Promise<void>;
  /** Calls `handler` with every new state; returns how to stop that. */
  onSnapshot(handler: (snapshot: Snapshot) => void): Promise<() => void>;
  /** Calls `handler` when another surface asks to show an approval. */
  onShowApproval(handler: (id: ApprovalId) => void): Promise<() => void>;
}

/** True in the window of the desktop app. */
export const inDesktop = isTauri;

/** The real core, over Tauri's commands and events. */
export const desktop: Api = {
  snapshot: () => invoke('snapshot'),
  answer: (id, answer) => invoke('answer', { id, answer }),
  wake: (team) => invoke('wake', { team }),
  sleep: (team) => invoke('sleep', { team }),
  send: (team, text, timeoutMs) => invoke('send', { team, text, timeoutMs }),
  interrupt: (team) => invoke('interrupt', { team }),
  addTeam: (name, edit) => invoke('add_team', { name, edit }),
  editTeam: (name, edit) => invoke('edit_team', { name, edit }),
  removeTeam: (name) => invoke('remove_team', { name }),
  audit: (query) => invoke('audit', { query }),
  pickFolder: () => invoke('pick_folder'),
  quit: () => invoke('quit'),
  onSnapshot: (handler) => listen<Snapshot>('snapshot', (event) => handler(event.payload)),
  onShowApproval: async (handler) => {
    const stop = await listen<ApprovalId>('show-approval', (event) => handler(event.payload));
    // A window that was opened to show an approval hears no event yet: its address names it.
    const wanted = new URLSearchParams(location.hash.slice(1)).get('approval');
    if (wanted) handler(wanted);
    return stop;
  },
};
