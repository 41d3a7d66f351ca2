// The languages that people may speak in a room.
import type { Language } from "./language.js";

/** Those that recognisers know best. */
const tags = ["en", "zh", "ru", "de", "es", "fr", "it", "ja", "ko", "pt", "hi", "nl", "pl", "tr", "uk"];

/** Their tags (BCP 47) and names, by name; `chosen` is among them even if it is none of the usual. */
export function spokenLanguages(shown: Language, chosen: string): { tag: string; name: string }[] {
  const all = chosen === "" || tags.includes(chosen) ? tags : [...tags, chosen];
  const names = new Intl.DisplayNames(shown, { type: "language" });
  const named = all.map((tag) => ({ tag, name: names.of(tag) ?? tag }));
  return named.sort((one, other) => one.name.localeCompare(other.name, shown));
}

/** What is said where somebody chooses theirs. */
export const spoken = {
  spokenLanguage: {
    en: "Language you speak",
    ru: "На каком языке вы говорите",
    "zh-Hans": "您说的语言",
    "zh-Hant": "您說的語言",
  },
  roomLanguage: {
    en: "The room's language",
    ru: "Язык комнаты",
    "zh-Hans": "房间的语言",
    "zh-Hant": "房間的語言",
  },
};
