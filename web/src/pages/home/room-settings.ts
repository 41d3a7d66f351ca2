// What the dialog of a room asks for, and how the service takes it.
import type { Schemas } from "../../api/client.js";
import type { Room } from "./rooms.js";

export interface RoomForm {
  title: string;
  /** As an `<input type="datetime-local">` has it, in the browser's time zone; empty for no time. */
  startsAt: string;
  durationMinutes: number;
  lobby: boolean;
  pin: string;
  captions: boolean;
  /** BCP 47; empty lets the recogniser find out. */
  language: string;
  /** Words that may be said, a line each. */
  keyterms: string;
  summary: boolean;
}

export function formOf(room: Room | undefined): RoomForm {
  const settings = room?.settings;
  return {
    title: room?.title ?? "",
    startsAt: room?.startsAt ? localTime(new Date(room.startsAt)) : "",
    durationMinutes: settings?.durationMinutes ?? 60,
    lobby: settings?.lobby ?? false,
    pin: settings?.pin ?? "",
    captions: settings?.captions ?? true,
    language: settings?.language ?? "",
    keyterms: settings?.keyterms.join("\n") ?? "",
    summary: settings?.summary ?? true,
  };
}

/** What is sent: only what the dialog asks for, so that everything else stays as it is. */
export function wantedRoom(form: RoomForm, timeZone: string) {
  const { lobby, captions, summary, durationMinutes } = form;
  const settings: Partial<Schemas["RoomSettings"]> = {
    lobby,
    captions,
    summary,
    durationMinutes,
    timeZone,
    pin: form.pin.trim() || null,
    language: form.language || null,
    keyterms: linesOf(form.keyterms),
  };
  return {
    title: form.title.trim(),
    ...(form.startsAt === "" ? {} : { startsAt: new Date(form.startsAt).toISOString() }),
    // The document calls every setting required; the service keeps what is left out.
    settings: settings as Schemas["RoomSettings"],
  };
}

function linesOf(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "");
}

/** A moment as an `<input type="datetime-local">` has it. */
export function localTime(moment: Date): string {
  const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
