// Asks to come into a room.
import { answered, api, type Schemas } from "../../api/client.js";
import { type Entry, fingerprint } from "./entry.js";

export type Answer =
  | { readonly kind: "in"; readonly admission: Schemas["Admission"] }
  | { readonly kind: "waiting"; readonly waiting: Schemas["Waiting"] };

/** Who is in already is let in again; an `ApiError` says why somebody is not. */
export async function askIn(roomId: string, entry: Entry, pin?: string): Promise<Answer> {
  const body = {
    name: entry.name,
    captions: entry.captions,
    sessionFingerprint: fingerprint(),
    ...(pin ? { pin } : {}),
  };
  const path = { params: { path: { roomId } } };
  const answer = await answered(api.POST("/api/rooms/{roomId}/join", { ...path, body }));
  if ("token" in answer) return { kind: "in", admission: answer };
  return { kind: "waiting", waiting: answer };
}

/** The room that an invitation leads to, as much of it as we may know: all if we hold it. */
export async function roomOf(code: string): Promise<Schemas["RoomView"]> {
  const room = await answered(api.GET("/api/rooms/by-code/{code}", { params: { path: { code } } }));
  return answered(api.GET("/api/rooms/{roomId}", { params: { path: { roomId: room.id } } }));
}

/** Whether who sees a room so holds it. */
export function isHeld(room: Schemas["RoomView"]): boolean {
  return "settings" in room;
}

export async function leaveLobby(roomId: string, entryId: string): Promise<void> {
  const path = { params: { path: { roomId, entryId } } };
  await answered(api.POST("/api/rooms/{roomId}/lobby/{entryId}/leave", path));
}
