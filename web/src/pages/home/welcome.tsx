// The ways in, for who is not logged in: an invitation's code, or an account.
import { useState, type FormEvent } from "react";
import { useLocation } from "wouter";
import { rooms } from "../../text/rooms.js";
import { useText } from "../../text/index.js";
import { Button, ButtonLink } from "../../ui/button.js";
import { Field } from "../../ui/field.js";
import { accounts } from "../../text/accounts.js";
import { Page } from "../../ui/page.js";
import { codeIn, joinPath } from "./link.js";
import styles from "./welcome.module.css";

export function Welcome() {
  const text = useText(rooms);
  const account = useText(accounts);
  return (
    <Page title={text.welcome} width="reading">
      <p className={styles["lead"]}>{text.welcomeText}</p>
      <JoinByCode />
      <section className={styles["hosting"]}>
        <h2>{text.hosting}</h2>
        <div>
          <ButtonLink to="/login">{account.logIn}</ButtonLink>
          <ButtonLink to="/register">{account.register}</ButtonLink>
        </div>
      </section>
    </Page>
  );
}

function JoinByCode() {
  const text = useText(rooms);
  const [, go] = useLocation();
  const [isWrong, setWrong] = useState(false);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const code = codeIn(String(new FormData(event.currentTarget).get("code")));
    setWrong(code === null);
    if (code !== null) go(joinPath(code));
  };
  return (
    <form className={styles["join"]} onSubmit={submit} noValidate>
      <Field
        label={text.byCode}
        name="code"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        placeholder="abc-defg-hjk"
        error={isWrong ? text.byCodeWrong : null}
      />
      <Button type="submit" look="primary">
        {text.join}
      </Button>
    </form>
  );
}
