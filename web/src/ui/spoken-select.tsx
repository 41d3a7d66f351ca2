// Which language somebody speaks.
import { spoken as texts, spokenLanguages } from "../text/spoken.js";
import { useLanguage, useText } from "../text/index.js";
import { Select } from "./field.js";

interface Props {
  /** BCP 47; empty for the room's. */
  value: string;
  onChange: (tag: string) => void;
}

export function SpokenSelect({ value, onChange }: Props) {
  const text = useText(texts);
  const shown = useLanguage();
  return (
    <Select label={text.spokenLanguage} value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">{text.roomLanguage}</option>
      {spokenLanguages(shown, value).map(({ tag, name }) => (
        <option key={tag} value={tag}>
          {name}
        </option>
      ))}
    </Select>
  );
}
