/** The few signs the pages use, as outlines in the text's colour. Decoration: their buttons say more. */
const paths = {
  stop: "M6 6h12v12H6z",
  send: "M12 19V5M6 11l6-6 6 6",
  again: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4h4",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  copy: "M9 9h10v11H9zM5 15V4h10",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  more: "M4 12h12M11 7l5 5-5 5",
  plus: "M12 5v14M5 12h14",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M19 5l-1.4 1.4M6.4 17.6L5 19",
  help: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 18v.5",
  key: "M8 15a4 4 0 1 1 3.5-6L20 9v4h-3v-2h-5.5A4 4 0 0 1 8 15z",
  code: "M8 7l-5 5 5 5M16 7l5 5-5 5",
  sliders: "M4 8h10M18 8h2M4 16h2M10 16h10M16 6v4M8 14v4",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 8v4l3 2",
  shield: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z",
  close: "M6 6l12 12M18 6L6 18",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="18" height="18" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
