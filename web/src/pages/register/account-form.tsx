// What a new account needs to know.
import type { FormEvent } from "react";
import { ApiError } from "../../api/error.js";
import type { Schemas } from "../../api/client.js";
import { accounts } from "../../text/accounts.js";
import { useText } from "../../text/index.js";
import { useErrorText } from "../../text/error.js";
import { Button } from "../../ui/button.js";
import { Field } from "../../ui/field.js";
import form from "../../ui/form.module.css";
import { ErrorNotice } from "../../ui/notice.js";

export type NewAccount = Schemas["Register"];

interface Props {
  action: string;
  error: Error | null;
  isPending: boolean;
  onSubmit: (account: NewAccount) => void;
}

export function AccountForm({ action, error, isPending, onSubmit }: Props) {
  const text = useText(accounts);
  const errorText = useErrorText();
  const field = error instanceof ApiError ? error.field : null;
  const errorOf = (name: keyof NewAccount) => (field === name ? errorText(error) : null);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const text = (name: keyof NewAccount) => String(given.get(name));
    onSubmit({ name: text("name"), email: text("email"), password: text("password") });
  };
  return (
    <form className={form["form"]} onSubmit={submit}>
      {error && field === null && <ErrorNotice error={error} />}
      <Field
        label={text.name}
        hint={text.nameHint}
        error={errorOf("name")}
        name="name"
        autoComplete="name"
        maxLength={80}
        required
        autoFocus
      />
      <Field
        label={text.email}
        error={errorOf("email")}
        name="email"
        type="email"
        autoComplete="username"
        required
      />
      <Field
        label={text.password}
        hint={text.passwordHint}
        error={errorOf("password")}
        name="password"
        type="password"
        autoComplete="new-password"
        minLength={10}
        maxLength={200}
        required
      />
      <Button type="submit" look="primary" pending={isPending}>
        {action}
      </Button>
    </form>
  );
}
