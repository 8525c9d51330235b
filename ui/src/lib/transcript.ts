// What happened in a conversation, entry by entry, as it is read: a call stands with its answer and with
// who decided about it.
import type { Entry } from '../bindings/Entry';
import type { Line } from '../bindings/Line';
import type { Message } from '../bindings/Message';
import { isUndelivered } from './sessions';

type Of<K extends Entry['kind']> = Extract<Entry, { kind: K }>;

/** A tool call, with what is known of it. */
export interface ToolItem {
  kind: 'tool';
  line: Line;
  call: Of<'toolCall'>;
  result?: Of<'toolResult'>;
  decisions: Of<'decision'>[];
}

/** An entry that stands alone. */
export interface EntryItem {
  kind: 'entry';
  line: Line;
}

/** A message that the agent never got. */
export interface UndeliveredItem {
  kind: 'undelivered';
  message: Message;
}

export type Item = ToolItem | EntryItem | UndeliveredItem;

/** The same for an item as long as it is there. */
export function idOf(item: Item): string {
  return item.kind === 'undelivered' ? item.message.id : String(item.line.id);
}

export function timeOf(item: Item): string {
  return item.kind === 'undelivered' ? item.message.createdAt : item.line.time;
}

/** The entries in their order, calls with their answers. What belongs to a call that is not here stands alone. */
export function fold(lines: readonly Line[]): (ToolItem | EntryItem)[] {
  const tools = new Map<string, ToolItem>();
  for (const line of lines) {
    const { entry } = line;
    if (entry.kind === 'toolCall') tools.set(entry.call, { kind: 'tool', line, call: entry, decisions: [] });
  }
  const items: (ToolItem | EntryItem)[] = [];
  for (const line of lines) {
    const { entry } = line;
    const tool = 'call' in entry ? tools.get(entry.call) : undefined;
    if (tool === undefined) items.push({ kind: 'entry', line });
    else if (entry.kind === 'toolResult') tool.result = entry;
    else if (entry.kind === 'decision') tool.decisions.push(entry);
    else if (tool.line === line) items.push(tool);
  }
  return items;
}

/** The items, and in their places those messages that the agent never got: as far back as the items go. */
export function withUndelivered(items: readonly Item[], messages: readonly Message[], fromTheBegin: boolean): Item[] {
  const [first] = items;
  const since = first && !fromTheBegin ? Date.parse(timeOf(first)) : -Infinity;
  const oldestFirst = messages.filter((message) => isUndelivered(message) && Date.parse(message.createdAt) >= since).reverse();
  const all: Item[] = [];
  // What happened keeps its order, whatever a clock did meanwhile.
  for (const item of items) {
    while (oldestFirst[0] && Date.parse(oldestFirst[0].createdAt) < Date.parse(timeOf(item))) all.push({ kind: 'undelivered', message: oldestFirst.shift() as Message });
    all.push(item);
  }
  return [...all, ...oldestFirst.map((message): Item => ({ kind: 'undelivered', message }))];
}

/** Whether an item stands on another day than the one before it. */
export function isNewDay(item: Item, before: Item | undefined): boolean {
  const day = (it: Item) => new Date(timeOf(it)).toDateString();
  return before !== undefined && day(item) !== day(before);
}
