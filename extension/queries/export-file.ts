const FOLDER = "exports";
/** Written files are kept this long, for the browser to copy them to where the person wants them, in milliseconds. */
const KEPT_MS = 10 * 60_000;

/**
 * Writes pieces into a file of the extension's own, so that a sheet of any size needs the memory of one piece. The
 * file is handed over to be saved; older ones are cleared away.
 */
export async function exportFile(
  pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>,
  format: "csv" | "json",
): Promise<File> {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle(FOLDER, { create: true });
  await clearOld(folder);
  const name = `${Date.now()}-${crypto.randomUUID()}.${format}`;
  const handle = await folder.getFileHandle(name, { create: true });
  const file = await handle.createWritable();
  try {
    for await (const piece of pieces) await file.write(piece);
    await file.close();
  } catch (error) {
    // What was written so far is thrown away with it.
    await file.abort().catch(() => undefined);
    await folder.removeEntry(name);
    throw error;
  }
  return handle.getFile();
}

async function clearOld(folder: FileSystemDirectoryHandle): Promise<void> {
  for await (const name of folder.keys()) {
    const madeAt = Number(name.split("-")[0]);
    if (Date.now() - madeAt > KEPT_MS) await folder.removeEntry(name);
  }
}
