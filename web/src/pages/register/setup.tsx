// Links that give access: for the first administrator, as the service prints it when it starts, and to a new password, as an
// administrator hands it on. The token stands behind the "#", where no server and no log sees it.
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { answered, api } from "../../api/client.js";
import { useSignedIn } from "../../session/session.js";
import { accounts } from "../../text/accounts.js";
import { useText } from "../../text/index.js";
import { Notice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { AccountForm, type NewAccount } from "./account-form.js";
import { NewPassword } from "./new-password.js";

export default function SetupPage() {
  const [token] = useState(() => location.hash.slice(1));
  const password = token.startsWith(PASSWORD) ? token.slice(PASSWORD.length) : null;
  return password === null ? <FirstAdministrator token={token} /> : <NewPassword token={password} />;
}

/** What stands before the token of a link that an administrator made for somebody. */
const PASSWORD = "password=";

function FirstAdministrator({ token }: { token: string }) {
  const text = useText(accounts);
  const [, go] = useLocation();
  const signedIn = useSignedIn();
  const setUp = useMutation({
    mutationFn: (account: NewAccount) =>
      answered(api.POST("/api/auth/setup", { body: { ...account, token } })),
    onSuccess: ({ user }) => {
      signedIn(user);
      go("/admin", { replace: true });
    },
  });
  return (
    <Page title={text.setUp} width="form">
      {token === "" ? (
        <Notice tone="warning">{text.setUpIncomplete}</Notice>
      ) : (
        <>
          <p>{text.setUpText}</p>
          <AccountForm
            action={text.setUp}
            error={setUp.error}
            isPending={setUp.isPending}
            onSubmit={setUp.mutate}
          />
        </>
      )}
    </Page>
  );
}
