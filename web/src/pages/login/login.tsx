// Logging in: by a password, or by a provider where there is one.
import { useMutation } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { Link, Redirect, useLocation, useSearch } from "wouter";
import { answered, api } from "../../api/client.js";
import { ApiError, type Code } from "../../api/error.js";
import { useLoginOptions, type LoginOptions } from "../../session/options.js";
import { useSession, useSignedIn } from "../../session/session.js";
import { accounts } from "../../text/accounts.js";
import { fill, useText } from "../../text/index.js";
import { Button, PageLink } from "../../ui/button.js";
import { Field } from "../../ui/field.js";
import form from "../../ui/form.module.css";
import { ErrorNotice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import styles from "./login.module.css";
import { nextPath } from "./next.js";

export default function LoginPage() {
  const text = useText(accounts);
  const search = useSearch();
  const { account } = useSession();
  const options = useLoginOptions();
  const failed = new URLSearchParams(search).get("error");
  if (account) return <Redirect to={nextPath(search)} replace />;
  return (
    <Page title={text.logIn} width="form">
      {failed && <ErrorNotice error={new ApiError(failed as Code, text.providerFailed)} />}
      {options?.oidc && <ByProvider provider={options.oidc} next={nextPath(search)} />}
      <ByPassword />
      {options?.registration !== false && (
        <p>
          {text.noAccount} <Link href={`/register${search && `?${search}`}`}>{text.register}</Link>
        </p>
      )}
      <p className={styles["aside"]}>{text.invited}</p>
    </Page>
  );
}

function ByProvider({ provider, next }: { provider: NonNullable<LoginOptions["oidc"]>; next: string }) {
  const text = useText(accounts);
  return (
    <>
      <PageLink href={`${provider.path}?next=${encodeURIComponent(next)}`}>
        {fill(text.loggingInBy, { name: provider.name })}
      </PageLink>
      <p className={styles["or"]}>{text.or}</p>
    </>
  );
}

function ByPassword() {
  const text = useText(accounts);
  const search = useSearch();
  const [, go] = useLocation();
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
  return (
    <form className={form["form"]} onSubmit={submit}>
      {logIn.error && <ErrorNotice error={logIn.error} />}
      <Field label={text.email} name="email" type="email" autoComplete="username" required autoFocus />
      <Field label={text.password} name="password" type="password" autoComplete="current-password" required />
      <Button type="submit" look="primary" pending={logIn.isPending}>
        {text.logIn}
      </Button>
    </form>
  );
}
