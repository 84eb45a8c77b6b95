/** A page that shows the first rows of the sheet, and when they were painted. */
import { displayOf, VIEW_COLUMNS, VIEW_ROWS, type Cell, type Moved, type Peer, type Place } from "./peer.ts";

/** Milliseconds from the start of the navigation until the frame after the table was drawn. */
export async function paint(peer: Pick<Peer, "open" | "viewport">): Promise<void> {
  const place: Place = { row: 0, column: 0 };
  await peer.open();
  draw(await peer.viewport(place));
  await frame();
  await frame();
  (globalThis as { painted?: number }).painted = performance.now();
}

const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));

function draw(answer: Cell[][] | Moved): void {
  const table = document.createElement("table");
  for (let row = 0; row < VIEW_ROWS; row += 1) {
    const line = table.insertRow();
    for (let column = 0; column < VIEW_COLUMNS; column += 1) {
      const text = Array.isArray(answer) ? displayOf(answer[row]?.[column] ?? null) : `${answer.bytes}`;
      line.insertCell().textContent = text;
    }
  }
  document.body.append(table);
}
