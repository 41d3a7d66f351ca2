// What goes on in a room besides pictures and sound: chat, hands, files, its lock. Pure: events in, a new value out.
import type { Schemas } from "../../api/client.js";

type Message = Schemas["MessageView"];
type Hand = Schemas["HandView"];
type SharedFile = Schemas["SharedFileView"];

export interface Life {
  /** The oldest first; what was deleted has no text. */
  readonly messages: readonly Message[];
  /** What we wrote and the service does not have yet. */
  readonly unsent: readonly Unsent[];
  /** The longest-raised first. */
  readonly hands: readonly Hand[];
  /** The latest first. */
  readonly files: readonly SharedFile[];
  readonly isLocked: boolean;
  /** Whether we know what was written before we came. */
  readonly isListed: boolean;
}

export interface Unsent {
  readonly key: string;
  readonly text: string;
  readonly hasFailed: boolean;
}

interface Reacted {
  readonly messageId: string;
  readonly emoji: string;
  readonly identity: string;
}

/** What the service's stream tells, by its names; and what we do ourselves. */
export type LifeEvent =
  | { readonly kind: "chat.message" | "chat.edited" | "chat.deleted"; readonly data: Message }
  | { readonly kind: "chat.reacted" | "chat.unreacted"; readonly data: Reacted }
  | { readonly kind: "file.shared"; readonly data: SharedFile }
  | { readonly kind: "file.deleted"; readonly data: { readonly id: string } }
  | { readonly kind: "hand.raised"; readonly data: Hand }
  | { readonly kind: "hand.lowered"; readonly data: { readonly identity: string } }
  | { readonly kind: "room.locked" | "room.unlocked" }
  /** Lists as they are at the moment, in place of events that we may have missed. */
  | { readonly kind: "messages"; readonly items: readonly Message[] }
  | { readonly kind: "hands"; readonly items: readonly Hand[] }
  | { readonly kind: "files"; readonly items: readonly SharedFile[] }
  | { readonly kind: "write"; readonly key: string; readonly text: string }
  | { readonly kind: "written"; readonly key: string; readonly message: Message }
  | { readonly kind: "unwritten"; readonly key: string }
  | { readonly kind: "discard"; readonly key: string };

export function newLife(isLocked: boolean): Life {
  return { messages: [], unsent: [], hands: [], files: [], isLocked, isListed: false };
}

export function nextLife(life: Life, event: LifeEvent): Life {
  switch (event.kind) {
    case "chat.message":
      return {
        ...life,
        messages: withMessages(life.messages, [event.data]),
        unsent: withoutSame(life.unsent, event.data),
      };
    case "chat.edited":
    case "chat.deleted":
      return { ...life, messages: withMessages(life.messages, [event.data]) };
    case "chat.reacted":
    case "chat.unreacted":
      return {
        ...life,
        messages: life.messages.map((message) => reactedTo(message, event.kind, event.data)),
      };
    case "file.shared":
      return { ...life, files: [event.data, ...life.files.filter(({ id }) => id !== event.data.id)] };
    case "file.deleted":
      return { ...life, files: life.files.filter(({ id }) => id !== event.data.id) };
    case "hand.raised":
      return { ...life, hands: [...without(life.hands, event.data.identity), event.data].sort(byAge) };
    case "hand.lowered":
      return { ...life, hands: without(life.hands, event.data.identity) };
    case "room.locked":
    case "room.unlocked":
      return { ...life, isLocked: event.kind === "room.locked" };
    case "messages":
      return { ...life, isListed: true, messages: withMessages(life.messages, event.items) };
    case "hands":
      return { ...life, hands: [...event.items].sort(byAge) };
    case "files":
      return { ...life, files: event.items };
    case "write":
      return { ...life, unsent: [...life.unsent.filter(({ key }) => key !== event.key), unsent(event)] };
    case "written":
      return {
        ...life,
        messages: withMessages(life.messages, [event.message]),
        unsent: life.unsent.filter(({ key }) => key !== event.key),
      };
    case "unwritten":
      return {
        ...life,
        unsent: life.unsent.map((one) => (one.key === event.key ? { ...one, hasFailed: true } : one)),
      };
    case "discard":
      return { ...life, unsent: life.unsent.filter(({ key }) => key !== event.key) };
  }
}

function unsent({ key, text }: { key: string; text: string }): Unsent {
  return { key, text, hasFailed: false };
}

/** Each message once, as it was told last, in the order in which they were written. */
function withMessages(messages: readonly Message[], more: readonly Message[]): Message[] {
  const all = new Map(messages.map((message) => [message.id, message]));
  for (const message of more) all.set(message.id, message);
  return [...all.values()].sort((one, other) => compare(one.at, other.at) || compare(one.id, other.id));
}

/** Our own message may come by the stream before the call that wrote it answers: it is not to be there twice meanwhile. */
function withoutSame(unsent: readonly Unsent[], message: Message): readonly Unsent[] {
  const at = unsent.findIndex(({ text, hasFailed }) => !hasFailed && text === message.text);
  return at === -1 ? unsent : unsent.filter((_, index) => index !== at);
}

function reactedTo(
  message: Message,
  kind: "chat.reacted" | "chat.unreacted",
  { messageId, emoji, identity }: Reacted,
): Message {
  if (message.id !== messageId) return message;
  const others = message.reactions.filter((one) => one.emoji !== emoji || one.identity !== identity);
  return { ...message, reactions: kind === "chat.reacted" ? [...others, { emoji, identity }] : others };
}

function without(hands: readonly Hand[], identity: string): Hand[] {
  return hands.filter((hand) => hand.identity !== identity);
}

function byAge(one: Hand, other: Hand): number {
  return compare(one.raisedAt, other.raisedAt);
}

function compare(one: string, other: string): number {
  return Number(one > other) - Number(one < other);
}
