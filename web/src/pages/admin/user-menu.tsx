// What can be done with an account.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answered, api, type Schemas } from "../../api/client.js";
import { admin } from "../../text/admin.js";
import { errorText } from "../../text/error.js";
import { dateAndTime } from "../../text/format.js";
import { fill, useLanguage, useText } from "../../text/index.js";
import { Confirm } from "../../ui/confirm.js";
import { CopyField } from "../../ui/copy-field.js";
import { Dialog } from "../../ui/dialog.js";
import { Menu, MenuButton } from "../../ui/menu.js";
import { toast } from "../../ui/toast.js";
import { DeleteDialog } from "./delete-dialog.js";
import type { User } from "./users.js";

type Asked = "link" | "disable" | "delete";

export function UserMenu({ user }: { user: User }) {
  const text = useText(admin);
  const [asked, setAsked] = useState<Asked | null>(null);
  const change = useQuietChange(user);
  const close = () => setAsked(null);
  return (
    <>
      <Menu icon="more" label={fill(text.changeUser, { name: user.name })}>
        <MenuButton onClick={() => change({ role: user.role === "ADMIN" ? "HOST" : "ADMIN" })}>
          {user.role === "ADMIN" ? text.makeHost : text.makeAdmin}
        </MenuButton>
        {!user.disabledAt && <MenuButton onClick={() => setAsked("link")}>{text.newPassword}</MenuButton>}
        {user.disabledAt ? (
          <MenuButton onClick={() => change({ disabled: false })}>{text.enable}</MenuButton>
        ) : (
          <MenuButton onClick={() => setAsked("disable")}>{text.disable}</MenuButton>
        )}
        <MenuButton onClick={() => setAsked("delete")}>{text.delete}</MenuButton>
      </Menu>
      {asked === "link" && <PasswordDialog user={user} onClose={close} />}
      {asked === "disable" && <DisableDialog user={user} onClose={close} />}
      {asked === "delete" && <DeleteDialog user={user} onClose={close} />}
    </>
  );
}

function useUserChange(user: User) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Schemas["UserChange"]) =>
      answered(api.PATCH("/api/admin/users/{userId}", { params: { path: { userId: user.id } }, body })),
    // Who takes their own role away sees another page.
    onSuccess: () => queries.invalidateQueries(),
  });
}

/** What can be taken back as easily is done without a question. */
function useQuietChange(user: User): (body: Schemas["UserChange"]) => void {
  const text = useText(admin);
  const language = useLanguage();
  const { mutate } = useUserChange(user);
  return (body) =>
    mutate(body, {
      onSuccess: () => toast(text.changed),
      onError: (error) => toast(errorText(error, language)),
    });
}

function DisableDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const text = useText(admin);
  const change = useUserChange(user);
  return (
    <Confirm
      title={fill(text.disableTitle, { name: user.name })}
      action={text.disableNow}
      icon="lock"
      error={change.error}
      isPending={change.isPending}
      onConfirm={() => change.mutate({ disabled: true }, { onSuccess: onClose })}
      onClose={onClose}
    >
      {text.disableText}
    </Confirm>
  );
}

function PasswordDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const text = useText(admin);
  const language = useLanguage();
  const link = useMutation({
    mutationFn: () => {
      const params = { path: { userId: user.id } };
      return answered(api.POST("/api/admin/users/{userId}/password-link", { params }));
    },
  });
  const title = fill(text.passwordTitle, { name: user.name });
  if (link.data === undefined) {
    return (
      <Confirm
        title={title}
        action={text.passwordMake}
        icon="link"
        look="primary"
        error={link.error}
        isPending={link.isPending}
        onConfirm={() => link.mutate()}
        onClose={onClose}
      >
        {text.passwordText}
      </Confirm>
    );
  }
  const until = fill(text.passwordUntil, { time: dateAndTime(language, link.data.expiresAt) });
  return (
    <Dialog title={title} onClose={onClose}>
      <CopyField
        label={text.passwordLink}
        hint={until}
        value={new URL(link.data.path, location.origin).href}
        copied={text.passwordCopied}
      />
    </Dialog>
  );
}
