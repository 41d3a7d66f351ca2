// Who is logged in, and the way out.
import { useMutation } from "@tanstack/react-query";
import { useLocation } from "wouter";
import { answered, api } from "../api/client.js";
import { useSignedIn, type Account } from "../session/session.js";
import { useText } from "../text/index.js";
import { shell } from "../text/shell.js";
import { useErrorText } from "../text/error.js";
import styles from "./account-menu.module.css";
import { Menu, MenuButton } from "./menu.js";
import { toast } from "./toast.js";

export function AccountMenu({ account }: { account: Account }) {
  const text = useText(shell);
  const errorText = useErrorText();
  const signedIn = useSignedIn();
  const [, go] = useLocation();
  const logOut = useMutation({
    mutationFn: () => answered(api.POST("/api/auth/logout")),
    onSuccess: () => {
      go("/login");
      signedIn(null);
    },
    onError: (error) => toast(errorText(error)),
  });
  return (
    <Menu icon="person" label={text.account}>
      <p className={styles["who"]}>
        <strong>{account.name}</strong>
        <span>{account.email}</span>
      </p>
      <MenuButton onClick={() => logOut.mutate()}>{text.logOut}</MenuButton>
    </Menu>
  );
}
