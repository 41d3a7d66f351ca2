// A list that grows at its end stays at its end, unless somebody reads further up.
import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react";

/** Closer to the end than this counts as the end, in pixels. */
const NEAR = 48;

interface Following {
  readonly list: RefObject<HTMLDivElement | null>;
  readonly onScroll: () => void;
  readonly isAtEnd: boolean;
  readonly toEnd: () => void;
}

/** `grown` changes when something was added. */
export function useFollowing(grown: unknown): Following {
  const list = useRef<HTMLDivElement>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  const toEnd = useCallback(() => {
    const element = list.current;
    if (element !== null) element.scrollTop = element.scrollHeight;
    setAtEnd(true);
  }, []);
  useLayoutEffect(() => {
    if (isAtEnd) toEnd();
  }, [grown, isAtEnd, toEnd]);
  const onScroll = () => {
    const element = list.current;
    if (element === null) return;
    setAtEnd(element.scrollHeight - element.scrollTop - element.clientHeight < NEAR);
  };
  return { list, onScroll, isAtEnd, toEnd };
}
