// A new password, by the link that an administrator made.
import { useMutation } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { useLocation } from "wouter";
import { ApiError } from "../../api/error.js";
import { answered, api } from "../../api/client.js";
import { useSignedIn } from "../../session/session.js";
import { accounts } from "../../text/accounts.js";
import { useErrorText } from "../../text/error.js";
import { useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { Field } from "../../ui/field.js";
import form from "../../ui/form.module.css";
import { ErrorNotice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";

export function NewPassword({ token }: { token: string }) {
  const text = useText(accounts);
  const errorText = useErrorText();
  const [, go] = useLocation();
  const signedIn = useSignedIn();
  const save = useMutation({
    mutationFn: (password: string) =>
      answered(api.POST("/api/auth/password-link", { body: { token, password } })),
    onSuccess: ({ user }) => {
      signedIn(user);
      go("/", { replace: true });
    },
  });
  const isOfField = save.error instanceof ApiError && save.error.field === "password";
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    save.mutate(String(new FormData(event.currentTarget).get("password")));
  };
  return (
    <Page title={text.newPassword} width="form">
      <p>{text.newPasswordText}</p>
      <form className={form["form"]} onSubmit={submit}>
        {save.error && !isOfField && <ErrorNotice error={save.error} />}
        <Field
          label={text.newPassword}
          hint={text.passwordHint}
          error={isOfField ? errorText(save.error) : null}
          name="password"
          type="password"
          autoComplete="new-password"
          minLength={10}
          maxLength={200}
          required
          autoFocus
        />
        <Button type="submit" look="primary" pending={save.isPending}>
          {text.newPasswordSave}
        </Button>
      </form>
    </Page>
  );
}
