// What somebody chose before they came in. It outlives a reload of the room, and nothing but this browser has it.

export interface Entry {
  /** What others see. */
  readonly name: string;
  readonly microphone: Choice;
  readonly camera: Choice;
  /** Whether the camera is to blur what is behind them. */
  readonly blur: boolean;
  /** Whether what they say is captioned. */
  readonly captions: boolean;
  /** The language that they speak, BCP 47; empty for the room's. */
  readonly language: string;
}

export interface Choice {
  readonly isOn: boolean;
  /** Empty for the system's own choice. */
  readonly deviceId: string;
}

export const NO_ENTRY: Entry = {
  name: "",
  microphone: { isOn: true, deviceId: "" },
  camera: { isOn: true, deviceId: "" },
  blur: false,
  captions: true,
  language: "",
};

const LAST = "lectern.entry";

/** What was chosen last, in whichever room: where the next choice begins. */
export function lastEntry(): Entry {
  return entryOf(read(localStorage, LAST)) ?? NO_ENTRY;
}

/** What was chosen for a room that we may be in still; null if nothing was. */
export function entryInto(code: string): Entry | null {
  return entryOf(read(sessionStorage, keyOf(code)));
}

export function keepEntry(code: string, entry: Entry): void {
  write(sessionStorage, keyOf(code), entry);
  // The opt-out is for one meeting: that it lasts would surprise in the next.
  write(localStorage, LAST, { ...entry, captions: true });
}

/** What somebody speaks from now on holds after a reload, too. */
export function keepLanguage(code: string, language: string): void {
  const entry = entryInto(code);
  if (entry !== null) keepEntry(code, { ...entry, language });
}

/** So does whether their background is blurred. */
export function keepBlur(code: string, blur: boolean): void {
  const entry = entryInto(code);
  if (entry !== null) keepEntry(code, { ...entry, blur });
}

/** Who left comes back through the green room. */
export function forgetEntry(code: string): void {
  try {
    sessionStorage.removeItem(keyOf(code));
  } catch {
    // Then there was nothing kept.
  }
}

const FINGERPRINT = "lectern.browser";

/** A random text by which the service knows this browser again. */
export function fingerprint(): string {
  const known = read(localStorage, FINGERPRINT);
  if (typeof known === "string") return known;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const made = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  write(localStorage, FINGERPRINT, made);
  return made;
}

function keyOf(code: string): string {
  return `lectern.entry.${code}`;
}

function read(storage: Storage, key: string): unknown {
  try {
    return JSON.parse(storage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

function write(storage: Storage, key: string, value: unknown): void {
  try {
    storage.setItem(key, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing asks again after a reload.
  }
}

/** What was kept by an older page may look otherwise. */
export function entryOf(kept: unknown): Entry | null {
  if (typeof kept !== "object" || kept === null || !("name" in kept) || typeof kept.name !== "string")
    return null;
  const { name, microphone, camera, blur, captions, language } = kept as Record<string, unknown> & {
    name: string;
  };
  return {
    name,
    microphone: choiceOf(microphone),
    camera: choiceOf(camera),
    blur: blur === true,
    captions: captions !== false,
    language: typeof language === "string" ? language : "",
  };
}

function choiceOf(kept: unknown): Choice {
  const { isOn, deviceId } = (typeof kept === "object" && kept !== null ? kept : {}) as Record<
    string,
    unknown
  >;
  return { isOn: isOn !== false, deviceId: typeof deviceId === "string" ? deviceId : "" };
}
