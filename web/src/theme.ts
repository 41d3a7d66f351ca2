// Light or dark: as the system has it, unless somebody chose.
import { Preference } from "./preference.js";

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

export const theme = new Preference<Theme>("lectern.theme", themes, "system");

/** Lets the styles follow the choice, now and whenever it changes. */
export function followTheme(): void {
  const apply = () => {
    document.documentElement.dataset["theme"] = theme.current();
  };
  apply();
  theme.subscribe(apply);
}
