// The way to the rest of a list.
import { shell } from "../text/shell.js";
import { useText } from "../text/index.js";
import { Button } from "./button.js";
import styles from "./more.module.css";

interface Props {
  list: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
}

export function More({ list }: Props) {
  const text = useText(shell);
  if (!list.hasNextPage) return null;
  return (
    <div className={styles["more"]}>
      <Button pending={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
        {text.more}
      </Button>
    </div>
  );
}
