import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import { useLayoutEffect, useReducer, useState } from "preact/hooks";

export type VirtualAxis = {
  count: number;
  size: (index: number) => number;
  horizontal?: boolean;
  /** Room for the headers that stay in place. */
  paddingStart: number;
  overscan: number;
  scroller: () => HTMLElement | null;
};

/** One axis of a grid of which only what can be seen is drawn. */
export function useVirtual(axis: VirtualAxis): Virtualizer<HTMLElement, HTMLElement> {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const options = {
    count: axis.count,
    estimateSize: axis.size,
    horizontal: axis.horizontal ?? false,
    paddingStart: axis.paddingStart,
    scrollPaddingStart: axis.paddingStart,
    overscan: axis.overscan,
    getScrollElement: axis.scroller,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => redraw(undefined),
  };
  const [virtualizer] = useState(() => new Virtualizer<HTMLElement, HTMLElement>(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  return virtualizer;
}
