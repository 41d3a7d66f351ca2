// The first administrator, by the link that the service prints when it starts. The token stands behind the "#", where no
// server and no log sees it.
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

export default function SetupPage() {
  const text = useText(accounts);
  const [, go] = useLocation();
  const signedIn = useSignedIn();
  const [token] = useState(() => location.hash.slice(1));
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
