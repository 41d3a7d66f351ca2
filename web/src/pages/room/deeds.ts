// What one does in a room through the service.
import { answered, api, type Schemas } from "../../api/client.js";
import type { LifeEvent } from "./life.js";

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

export async function deleteMessage(roomId: string, messageId: string): Promise<void> {
  await answered(
    api.DELETE("/api/rooms/{roomId}/chat/{messageId}", { params: { path: { roomId, messageId } } }),
  );
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
