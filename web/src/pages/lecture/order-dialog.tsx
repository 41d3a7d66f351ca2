// Asks for another summary, and what it is to be like.
import type { FormEvent } from "react";
import { useLanguage, useText } from "../../text/index.js";
import { lecture as texts } from "../../text/lectures.js";
import { shell } from "../../text/shell.js";
import { spokenLanguages } from "../../text/spoken.js";
import { Button } from "../../ui/button.js";
import { Actions, Dialog } from "../../ui/dialog.js";
import { Select, TextArea } from "../../ui/field.js";
import form from "../../ui/form.module.css";
import { ErrorNotice } from "../../ui/notice.js";
import { useOrder } from "./lecture-data.js";

export function OrderDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const text = useText(texts);
  const common = useText(shell);
  const language = useLanguage();
  const order = useOrder(id);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const [wish, wanted] = [String(given.get("wish")).trim(), String(given.get("language"))];
    order.mutate({ instructions: wish || null, language: wanted || null }, { onSuccess: onClose });
  };
  return (
    <Dialog title={text.againTitle} onClose={onClose}>
      <form className={form["form"]} onSubmit={submit}>
        {order.error && <ErrorNotice error={order.error} />}
        <TextArea label={text.wish} hint={text.wishHint} name="wish" rows={3} maxLength={1000} autoFocus />
        <Select label={text.language} name="language" defaultValue="">
          <option value="">{text.asLecture}</option>
          {spokenLanguages(language, "").map(({ tag, name }) => (
            <option key={tag} value={tag}>
              {name}
            </option>
          ))}
        </Select>
        <Actions>
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button type="submit" look="primary" pending={order.isPending}>
            {text.order}
          </Button>
        </Actions>
      </form>
    </Dialog>
  );
}
