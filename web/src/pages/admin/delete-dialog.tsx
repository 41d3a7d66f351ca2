// The end of an account, and who takes what it holds.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { answered, api } from "../../api/client.js";
import { useSession } from "../../session/session.js";
import { admin } from "../../text/admin.js";
import { counted } from "../../text/format.js";
import { fill, useLanguage, useText } from "../../text/index.js";
import { shell } from "../../text/shell.js";
import { Button } from "../../ui/button.js";
import { Actions, Dialog } from "../../ui/dialog.js";
import { Select } from "../../ui/field.js";
import form from "../../ui/form.module.css";
import { ErrorNotice } from "../../ui/notice.js";
import { toast } from "../../ui/toast.js";
import type { User } from "./users.js";

export function DeleteDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const text = useText(admin);
  const common = useText(shell);
  const remove = useDeletion(user, () => toast(text.deleted));
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const heir = new FormData(event.currentTarget).get("heir");
    remove.mutate(heir === null ? null : String(heir), { onSuccess: onClose });
  };
  return (
    <Dialog title={fill(text.deleteTitle, { name: user.name })} onClose={onClose}>
      <form className={form["form"]} onSubmit={submit}>
        {remove.error && <ErrorNotice error={remove.error} />}
        <p>{text.deleteText}</p>
        {user.rooms > 0 && <Heir user={user} />}
        <Actions>
          <Button onClick={onClose} autoFocus>
            {common.cancel}
          </Button>
          <Button type="submit" look="danger" icon="bin" pending={remove.isPending}>
            {text.deleteNow}
          </Button>
        </Actions>
      </form>
    </Dialog>
  );
}

function Heir({ user }: { user: User }) {
  const text = useText(admin);
  const language = useLanguage();
  const { account } = useSession();
  const { data } = useQuery({
    queryKey: ["users", "heirs"],
    queryFn: () => answered(api.GET("/api/admin/users", { params: { query: { limit: 200 } } })),
  });
  const others = data?.items.filter(({ id, disabledAt }) => id !== user.id && !disabledAt) ?? [];
  const holds = {
    rooms: counted(language, user.rooms, text.someRooms),
    lectures: counted(language, user.lectures, text.someLectures),
  };
  return (
    <Select label={fill(text.heir, holds)} name="heir" required defaultValue="" key={others.length}>
      <option value="" disabled>
        {text.choose}
      </option>
      {others.map(({ id, name, email }) => (
        <option key={id} value={id}>
          {id === account?.id ? `${name} (${text.you})` : `${name}, ${email}`}
        </option>
      ))}
    </Select>
  );
}

/** What is called says so before the lists are renewed: the row that this dialog belongs to goes with them. */
function useDeletion(user: User, onDone: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (heir: string | null) => {
      const params = { path: { userId: user.id }, query: heir === null ? {} : { heir } };
      return answered(api.DELETE("/api/admin/users/{userId}", { params }));
    },
    onSuccess: () => {
      onDone();
      return queries.invalidateQueries();
    },
  });
}
