// The interface's language and looks.
import { language, useText } from "../text/index.js";
import { languageNames, languages } from "../text/language.js";
import { shell } from "../text/shell.js";
import { usePreference } from "../preference.js";
import { theme, themes } from "../theme.js";
import { Menu } from "./menu.js";
import styles from "./preferences-menu.module.css";

export function PreferencesMenu() {
  const text = useText(shell);
  const [currentLanguage, chooseLanguage] = usePreference(language);
  const [currentTheme, chooseTheme] = usePreference(theme);
  return (
    <Menu icon="globe" label={text.preferences}>
      <fieldset className={styles["choices"]}>
        <legend>{text.language}</legend>
        {languages.map((one) => (
          <label key={one} lang={one}>
            <input
              type="radio"
              name="language"
              checked={one === currentLanguage}
              onChange={() => chooseLanguage(one)}
            />
            {languageNames[one]}
          </label>
        ))}
      </fieldset>
      <fieldset className={styles["choices"]}>
        <legend>{text.theme}</legend>
        {themes.map((one) => (
          <label key={one}>
            <input
              type="radio"
              name="theme"
              checked={one === currentTheme}
              onChange={() => chooseTheme(one)}
            />
            {text[one]}
          </label>
        ))}
      </fieldset>
    </Menu>
  );
}
