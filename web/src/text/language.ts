// Which of our languages somebody reads.

export const languages = ["en", "ru", "zh-Hans", "zh-Hant"] as const;
export type Language = (typeof languages)[number];

/** What each calls itself. */
export const languageNames: Record<Language, string> = {
  en: "English",
  ru: "Русский",
  "zh-Hans": "简体中文",
  "zh-Hant": "繁體中文",
};

/** The first of the wanted languages (BCP 47, best first) that we have; English otherwise. */
export function bestLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const found = ours(tag.toLowerCase());
    if (found !== undefined) return found;
  }
  return "en";
}

function ours(tag: string): Language | undefined {
  const [language, ...rest] = tag.split("-");
  if (language !== "zh") return languages.find((one) => one === language);
  if (rest.includes("hans")) return "zh-Hans";
  const isTraditional = rest.some((part) => ["hant", "tw", "hk", "mo"].includes(part));
  return isTraditional ? "zh-Hant" : "zh-Hans";
}
