// A page whose script is fetched when it is opened.
import { type ComponentType, lazy } from "react";

/** That a page's script did not come: there is no network, or a newer version of the pages took its place. */
export class PageNotFetched extends Error {}

export function lazyPage<Props>(fetched: () => Promise<{ default: ComponentType<Props> }>) {
  return lazy(() =>
    fetched().catch((cause: unknown) => {
      throw new PageNotFetched("the script of a page did not come", { cause });
    }),
  );
}
