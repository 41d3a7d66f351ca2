// Where somebody wanted to go before they had to log in.

/** The path of ours that `?next=` names; the first page for anything else, such as another site. */
export function nextPath(search: string): string {
  const wanted = new URLSearchParams(search).get("next") ?? "/";
  try {
    const url = new URL(wanted, ours);
    return url.origin === ours ? `${url.pathname}${url.search}${url.hash}` : "/";
  } catch {
    return "/";
  }
}

/** The login page, which leads back to this path. */
export function loginPath(path: string): string {
  return path === "/" ? "/login" : `/login?next=${encodeURIComponent(path)}`;
}

// Any origin does: a path keeps it, and an address doesn't.
const ours = "https://lectern.invalid";
