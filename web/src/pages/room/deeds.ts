// What one does in a room through the service.
import { answered, api, type Schemas } from "../../api/client.js";
import type { LifeEvent } from "./life.js";

type Message = Schemas["MessageView"];

/** Writes to everybody: it is there at once, and marked if it could not be sent. */
export async function write(
  roomId: string,
  key: string,
  text: string,
  tell: (event: LifeEvent) => void,
): Promise<void> {
  tell({ kind: "write", key, text });
  try {
    const message = await answered(api.POST("/api/rooms/{roomId}/chat", { ...at(roomId), body: { text } }));
    tell({ kind: "written", key, message });
  } catch {
    tell({ kind: "unwritten", key });
  }
}

/** Changes what one wrote: it reads so at once, and as before if that can't be. */
export async function editMessage(
  roomId: string,
  message: Message,
  text: string,
  tell: (event: LifeEvent) => void,
): Promise<void> {
  tell({ kind: "chat.edited", data: { ...message, text, editedAt: new Date().toISOString() } });
  const params = { params: { path: { roomId, messageId: message.id } } };
  const edited = answered(api.PATCH("/api/rooms/{roomId}/chat/{messageId}", { ...params, body: { text } }));
  await takenBack(edited, message, tell);
}

/** Takes a message away: it is gone at once, and there again if that can't be. */
export async function deleteMessage(
  roomId: string,
  message: Message,
  tell: (event: LifeEvent) => void,
): Promise<void> {
  tell({ kind: "chat.deleted", data: { ...message, text: null, reactions: [] } });
  const params = { params: { path: { roomId, messageId: message.id } } };
  const deleted = answered(api.DELETE("/api/rooms/{roomId}/chat/{messageId}", params));
  await takenBack(deleted, message, tell);
}

async function takenBack(
  deed: Promise<unknown>,
  before: Message,
  tell: (event: LifeEvent) => void,
): Promise<void> {
  try {
    await deed;
  } catch (error) {
    tell({ kind: "chat.edited", data: before });
    throw error;
  }
}

/** Puts a sign under a message, or takes one's own back. */
export async function react(
  roomId: string,
  messageId: string,
  emoji: string,
  whether: "put" | "take",
): Promise<void> {
  const params = { params: { path: { roomId, messageId, emoji } } };
  const path = "/api/rooms/{roomId}/chat/{messageId}/reactions/{emoji}";
  await answered(whether === "put" ? api.PUT(path, params) : api.DELETE(path, params));
}

export async function raiseHand(roomId: string): Promise<void> {
  await answered(api.POST("/api/rooms/{roomId}/hand-raise", at(roomId)));
}

/** One's own hand; a host lowers anybody's. */
export async function lowerHand(roomId: string, target?: string): Promise<void> {
  const query = target === undefined ? {} : { target };
  await answered(api.DELETE("/api/rooms/{roomId}/hand-raise", { params: { path: { roomId }, query } }));
}

/** Says which language one speaks; an empty one is the room's. */
export async function speak(roomId: string, language: string): Promise<void> {
  const body = { language: language === "" ? null : language };
  await answered(api.PUT("/api/rooms/{roomId}/spoken-language", { ...at(roomId), body }));
}

export async function deleteFile(roomId: string, fileId: string): Promise<void> {
  await answered(api.DELETE("/api/rooms/{roomId}/files/{fileId}", { params: { path: { roomId, fileId } } }));
}

export async function moderate(roomId: string, action: Schemas["Action"], target?: string): Promise<void> {
  const body = { action, ...(target === undefined ? {} : { target }) };
  await answered(api.POST("/api/rooms/{roomId}/moderate", { ...at(roomId), body }));
}

export async function decide(roomId: string, entryId: string, step: "admit" | "deny"): Promise<void> {
  const params = { params: { path: { roomId, entryId } } };
  if (step === "admit") await answered(api.POST("/api/rooms/{roomId}/lobby/{entryId}/admit", params));
  else await answered(api.POST("/api/rooms/{roomId}/lobby/{entryId}/deny", params));
}

export async function admitAll(roomId: string): Promise<void> {
  await answered(api.POST("/api/rooms/{roomId}/lobby/admit-all", at(roomId)));
}

function at(roomId: string) {
  return { params: { path: { roomId } } };
}
