// Making an account of one's own.
import { useMutation } from "@tanstack/react-query";
import { Link, Redirect, useLocation, useSearch } from "wouter";
import { answered, api } from "../../api/client.js";
import { useLoginOptions } from "../../session/options.js";
import { useSession, useSignedIn } from "../../session/session.js";
import { accounts } from "../../text/accounts.js";
import { useText } from "../../text/index.js";
import { Notice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { nextPath } from "../login/next.js";
import { AccountForm, type NewAccount } from "./account-form.js";

export default function RegisterPage() {
  const text = useText(accounts);
  const search = useSearch();
  const [, go] = useLocation();
  const { account } = useSession();
  const signedIn = useSignedIn();
  const options = useLoginOptions();
  const register = useMutation({
    mutationFn: (body: NewAccount) => answered(api.POST("/api/auth/register", { body })),
    onSuccess: ({ user }) => {
      signedIn(user);
      go(nextPath(search), { replace: true });
    },
  });
  if (account) return <Redirect to={nextPath(search)} replace />;
  return (
    <Page title={text.register} width="form">
      {options?.registration === false ? (
        <Notice tone="warning">{text.closed}</Notice>
      ) : (
        <AccountForm
          action={text.register}
          error={register.error}
          isPending={register.isPending}
          onSubmit={register.mutate}
        />
      )}
      <p>
        {text.haveAccount} <Link href={`/login${search && `?${search}`}`}>{text.logIn}</Link>
      </p>
      <p>{text.invited}</p>
    </Page>
  );
}
