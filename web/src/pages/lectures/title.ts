/** A lecture in which nobody spoke is called by its room's id, which says nothing to people. */
export function titleOf({ title, roomId }: { title?: string | null; roomId: string }): string | null {
  return title === roomId ? null : (title ?? null);
}
