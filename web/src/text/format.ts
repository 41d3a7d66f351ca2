// Numbers, dates and times as a language writes them.
import { bestLanguage, type Language } from "./language.js";

/** Words for a number, by the categories that `Intl.PluralRules` knows; "{n}" stands for the number. */
export type Counted = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** "3 rooms", "3 комнаты". */
export function counted(language: Language, number: number, words: Counted): string {
  const rule = new Intl.PluralRules(language).select(number);
  return (words[rule] ?? words.other).replace("{n}", new Intl.NumberFormat(language).format(number));
}

/** "12 March 2027, 14:05", in the browser's time zone. */
export function dateAndTime(language: Language, rfc3339: string): string {
  const style: Intl.DateTimeFormatOptions = { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(regional(language), style).format(new Date(rfc3339));
}

/** The language as it is written where the browser's reader lives: dates differ by country. */
function regional(language: Language): string {
  const preferred = typeof navigator === "undefined" ? [] : navigator.languages;
  return (
    preferred.find((tag) => bestLanguage([tag]) === language && tag.startsWith(language.slice(0, 2))) ??
    language
  );
}

/** "1 h 5 min", or in seconds where there are no minutes. */
export function duration(language: Language, ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return inUnit(language, seconds, "second");
  const minutes = Math.round(seconds / 60);
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  const parts = [hours > 0 && inUnit(language, hours, "hour"), rest > 0 && inUnit(language, rest, "minute")];
  return parts.filter((part) => part !== false).join(" ");
}

/** "3.4 MB". */
export function size(language: Language, bytes: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return inUnit(language, bytes / 1000 ** power, units[power] ?? "byte");
}

/** A time in a recording: 4:05, 1:02:03. */
export function timecode(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const two = (number: number) => String(number).padStart(2, "0");
  const rest = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

function inUnit(language: Language, number: number, unit: string): string {
  const style = { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(language, style).format(number);
}
