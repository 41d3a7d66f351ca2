// A link by which whoever has it reads the lecture: made, copied, taken back.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { answered, api, type Schemas } from "../../api/client.js";
import { dateAndTime } from "../../text/format.js";
import { fill, useLanguage, useText } from "../../text/index.js";
import { lecture as texts } from "../../text/lectures.js";
import { Button } from "../../ui/button.js";
import { CopyField } from "../../ui/copy-field.js";
import { Actions, Dialog } from "../../ui/dialog.js";
import { Select } from "../../ui/field.js";
import form from "../../ui/form.module.css";
import { Loading } from "../../ui/loading.js";
import { ErrorNotice } from "../../ui/notice.js";
import { toast } from "../../ui/toast.js";
import { addressOf } from "./share.js";

type Share = Schemas["ShareView"];

export function ShareDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const text = useText(texts);
  const { share, make, end } = useShare(id);
  const made = make.data;
  return (
    <Dialog title={text.shareTitle} onClose={onClose}>
      <div className={form["form"]}>
        <p>{text.shareText}</p>
        {share.isPending && <Loading />}
        {share.error && <ErrorNotice error={share.error} retry={() => void share.refetch()} />}
        {make.error && <ErrorNotice error={make.error} />}
        {end.error && <ErrorNotice error={end.error} />}
        {share.data?.shared && <Present share={share.data} path={made?.path} />}
        {share.data && made === undefined && (
          <NewLink isAnother={share.data.shared} isPending={make.isPending} onMake={make.mutate} />
        )}
      </div>
      {share.data?.shared && (
        <Actions>
          <Button
            look="danger"
            icon="bin"
            pending={end.isPending}
            onClick={() => end.mutate(undefined, { onSuccess: () => toast(text.shareEnded) })}
          >
            {text.shareEnd}
          </Button>
        </Actions>
      )}
    </Dialog>
  );
}

/** The link, if it was made just now: the service keeps none that it could show again. */
function Present({ share, path }: { share: Share; path: string | undefined }) {
  const text = useText(texts);
  const language = useLanguage();
  const until = share.expiresAt
    ? fill(text.shareUntil, { time: dateAndTime(language, share.expiresAt) })
    : text.shareLasts;
  if (path !== undefined) {
    return (
      <CopyField label={text.shareLink} hint={until} value={addressOf(path)} copied={text.shareCopied} />
    );
  }
  const since = fill(text.shareSince, { time: dateAndTime(language, share.madeAt ?? "") });
  return (
    <p>
      {since} {until} {text.shareAgain}
    </p>
  );
}

interface NewLinkProps {
  isAnother: boolean;
  isPending: boolean;
  onMake: (days: number | null) => void;
}

function NewLink({ isAnother, isPending, onMake }: NewLinkProps) {
  const text = useText(texts);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const days = Number(new FormData(event.currentTarget).get("days"));
    onMake(days === 0 ? null : days);
  };
  return (
    <form className={form["form"]} onSubmit={submit}>
      <Select label={text.shareHowLong} name="days" defaultValue="30">
        <option value="7">{text.shareWeek}</option>
        <option value="30">{text.shareMonth}</option>
        <option value="365">{text.shareYear}</option>
        <option value="0">{text.shareForever}</option>
      </Select>
      <Button type="submit" look="primary" icon="link" pending={isPending}>
        {isAnother ? text.shareNew : text.shareMake}
      </Button>
    </form>
  );
}

function useShare(id: string) {
  const queries = useQueryClient();
  const params = { path: { lectureId: id } };
  const queryKey = ["lecture", id, "share"];
  const keep = (share: Share) => queries.setQueryData(queryKey, share);
  const share = useQuery({
    queryKey,
    queryFn: () => answered(api.GET("/api/lectures/{lectureId}/share", { params })),
  });
  const make = useMutation({
    mutationFn: (expiresInDays: number | null) =>
      answered(api.POST("/api/lectures/{lectureId}/share", { params, body: { expiresInDays } })),
    onSuccess: ({ shared, madeAt, expiresAt }) => {
      keep({ shared, madeAt: madeAt ?? null, expiresAt: expiresAt ?? null });
    },
  });
  const end = useMutation({
    mutationFn: () => answered(api.DELETE("/api/lectures/{lectureId}/share", { params })),
    onSuccess: () => {
      make.reset();
      keep({ shared: false, madeAt: null, expiresAt: null });
    },
  });
  return { share, make, end };
}
