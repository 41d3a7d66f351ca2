// Logging in.
import { useMutation } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { Link, Redirect, useLocation, useSearch } from "wouter";
import { answered, api } from "../../api/client.js";
import { useSession, useSignedIn } from "../../session/session.js";
import { accounts } from "../../text/accounts.js";
import { useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { Field } from "../../ui/field.js";
import form from "../../ui/form.module.css";
import { ErrorNotice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { nextPath } from "./next.js";

export default function LoginPage() {
  const text = useText(accounts);
  const search = useSearch();
  const [, go] = useLocation();
  const { account } = useSession();
  const signedIn = useSignedIn();
  const logIn = useMutation({
    mutationFn: (body: { email: string; password: string }) =>
      answered(api.POST("/api/auth/login", { body })),
    onSuccess: ({ user }) => {
      signedIn(user);
      go(nextPath(search), { replace: true });
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    logIn.mutate({ email: String(given.get("email")), password: String(given.get("password")) });
  };
  if (account) return <Redirect to={nextPath(search)} replace />;
  return (
    <Page title={text.logIn} width="form">
      <form className={form["form"]} onSubmit={submit}>
        {logIn.error && <ErrorNotice error={logIn.error} />}
        <Field label={text.email} name="email" type="email" autoComplete="username" required autoFocus />
        <Field
          label={text.password}
          name="password"
          type="password"
          autoComplete="current-password"
          required
        />
        <Button type="submit" look="primary" pending={logIn.isPending}>
          {text.logIn}
        </Button>
      </form>
      <p>
        {text.noAccount} <Link href={`/register${search && `?${search}`}`}>{text.register}</Link>
      </p>
      <p>{text.invited}</p>
    </Page>
  );
}
