// An invitation that leads nowhere, and the place to type another.
import { type FormEvent, useState } from "react";
import { useLocation } from "wouter";

import { join as texts } from "../../text/join.js";
import { useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { Field } from "../../ui/field.js";
import { Page } from "../../ui/page.js";
import styles from "./join.module.css";

export function WrongCode({ code }: { code: string }) {
  const text = useText(texts);
  const [, navigate] = useLocation();
  const [typed, setTyped] = useState(code);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    navigate(`/join/${encodeURIComponent(typed.trim())}`);
  };
  return (
    <Page title={text.wrongCodeTitle} width="form">
      <p role="status">{text.wrongCodeText}</p>
      <form onSubmit={onSubmit} className={styles.form}>
        <Field
          label={text.code}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          autoComplete="off"
          required
        />
        <Button type="submit" look="primary">
          {text.tryCode}
        </Button>
      </form>
    </Page>
  );
}
