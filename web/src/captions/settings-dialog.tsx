// How captions look: each viewer's own choice, shown on an example at once.
import { type Preference, usePreference } from "../preference.js";
import { room as texts } from "../text/room.js";
import { useText } from "../text/index.js";
import { Dialog } from "../ui/dialog.js";
import { Check, Select } from "../ui/field.js";
import form from "../ui/form.module.css";
import { speakerColour } from "../ui/speaker.js";
import overlay from "./overlay.module.css";
import * as settings from "./settings.js";

export function CaptionSettings({ onClose }: { onClose: () => void }) {
  const text = useText(texts);
  const [shown, show] = usePreference(settings.shown);
  const [spoken, speak] = usePreference(settings.spoken);
  return (
    <Dialog title={text.captionSettings} onClose={onClose}>
      <div className={form.form}>
        <Example />
        <Check
          label={text.showCaptions}
          checked={shown === "on"}
          onChange={(event) => show(event.target.checked ? "on" : "off")}
        />
        <Chosen label={text.size} preference={settings.size} choices={settings.sizes} />
        <Chosen label={text.contrast} preference={settings.contrast} choices={settings.contrasts} />
        <Chosen label={text.position} preference={settings.position} choices={settings.positions} />
        <Check
          label={text.announce}
          hint={text.announceHint}
          checked={spoken === "on"}
          onChange={(event) => speak(event.target.checked ? "on" : "off")}
        />
      </div>
    </Dialog>
  );
}

function Example() {
  const text = useText(texts);
  const [size] = usePreference(settings.size);
  const [contrast] = usePreference(settings.contrast);
  return (
    <div className={overlay.overlay} data-size={size} data-contrast={contrast} aria-hidden="true">
      <p className={overlay.words}>
        <b style={{ color: speakerColour("jane") }}>Jane</b>
        {text.example}
      </p>
    </div>
  );
}

type Look = (typeof settings.sizes | typeof settings.contrasts | typeof settings.positions)[number];

function Chosen<T extends Look>({
  label,
  preference,
  choices,
}: {
  label: string;
  preference: Preference<T>;
  choices: readonly T[];
}) {
  const text = useText(texts);
  const [chosen, choose] = usePreference(preference);
  return (
    <Select label={label} value={chosen} onChange={(event) => choose(event.target.value as T)}>
      {choices.map((choice) => (
        <option key={choice} value={choice}>
          {text[`look_${choice as Look}`]}
        </option>
      ))}
    </Select>
  );
}
