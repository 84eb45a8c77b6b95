import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { browser } from "wxt/browser";
import { StatusMark } from "@sheetwire/shared/ui";
import { bytesInWords, useStatus } from "../../look/look.tsx";
import {
  acceptDisclosure,
  followSettings,
  loadSettings,
  removeConnection,
  saveConnection,
  type ConnectionSetting,
  type Settings,
} from "../../settings/settings.ts";
import type { StorageUse } from "../../mirror/mirror.ts";
import { spreadsheetIdSchema } from "@sheetwire/shared/protocol";
import type { Ask } from "../../status/status.ts";
import { ConnectionForm } from "./connection-form.tsx";

/** A copy in this browser: what it is called and what it takes. */
export type HeldCopy = { title: string; use: StorageUse | undefined };

/** Which relay follows which spreadsheet; before anything else, what goes where. */
export function Options({ copies }: { copies: ReadonlyMap<string, HeldCopy> }): JSX.Element | null {
  const [settings, setSettings] = useState<Settings>();
  const [editing, setEditing] = useState<string>();
  useEffect(() => {
    const fail = (error: unknown): never => {
      throw error;
    };
    void loadSettings().then(setSettings);
    return followSettings(setSettings, fail);
  }, []);
  if (!settings) return null;
  const entries = Object.entries(settings.connections);
  return (
    <main class="options">
      <header class="options-head">
        <img src="/icon/48.png" width={40} height={40} alt="" />
        <div>
          <h1>Sheetwire</h1>
          <p class="soft">A live copy of your spreadsheets, through your own relay.</p>
        </div>
      </header>
      {settings.acceptedAt === undefined ? <Disclosure /> : null}
      <section aria-labelledby="connected">
        <h2 id="connected">Connected spreadsheets</h2>
        {entries.length + settings.unreadable.length === 0 ? (
          <p class="soft">None yet. Add the first one below.</p>
        ) : null}
        <ul class="cards">
          {entries.map(([spreadsheetId, setting]) => (
            <li key={spreadsheetId} class="card">
              {editing === spreadsheetId ? (
                <ConnectionForm
                  spreadsheetId={spreadsheetId}
                  setting={setting}
                  onSave={async (id, next) => {
                    await saveConnection(id, next);
                    setEditing(undefined);
                  }}
                  onCancel={() => setEditing(undefined)}
                />
              ) : (
                <Connected
                  spreadsheetId={spreadsheetId}
                  title={copies.get(spreadsheetId)?.title ?? spreadsheetId}
                  use={copies.get(spreadsheetId)?.use}
                  setting={setting}
                  onEdit={() => setEditing(spreadsheetId)}
                />
              )}
            </li>
          ))}
          {settings.unreadable.map((spreadsheetId) => (
            <li key={spreadsheetId} class="card">
              <p class="trouble" role="alert">
                What is stored for {copies.get(spreadsheetId)?.title ?? spreadsheetId} cannot be read and is not used.
                Remove it, and connect the spreadsheet again.
              </p>
              <div class="buttons">
                <RemoveButton spreadsheetId={spreadsheetId} title={copies.get(spreadsheetId)?.title ?? spreadsheetId} />
              </div>
            </li>
          ))}
        </ul>
      </section>
      <section aria-labelledby="add">
        <h2 id="add">Connect a spreadsheet</h2>
        <div class="card">
          <ConnectionForm onSave={saveConnection} />
        </div>
      </section>
      {settings.acceptedAt === undefined ? null : (
        <section aria-labelledby="where">
          <h2 id="where">What goes where</h2>
          <WhatGoesWhere />
          <p class="soft">You agreed to this on {new Date(settings.acceptedAt).toLocaleDateString()}.</p>
        </section>
      )}
    </main>
  );
}

function WhatGoesWhere(): JSX.Element {
  return (
    <ul class="facts">
      <li>
        The cells of the spreadsheets you connect come from <strong>the relay you name</strong>, and from nowhere else.
        The relay gets them from the spreadsheet itself.
      </li>
      <li>
        A copy of the cells is <strong>kept in this browser</strong>, so that it can be read offline. Whoever can use
        this browser can read it. It is deleted when you remove the spreadsheet here.
      </li>
      <li>The relay's address and your token are kept in this browser too. Web pages cannot read them.</li>
      <li>Nothing is sent to the makers of Sheetwire. There are no statistics and no advertising.</li>
      <li>
        The browser may say that Sheetwire may store <strong>unlimited</strong> data: a copy of a big spreadsheet is
        larger than what pages are usually allowed: ten million cells take some fifty megabytes. If the disk is full,
        the history of changes goes first, and copies last.
      </li>
    </ul>
  );
}

function Disclosure(): JSX.Element {
  return (
    <section class="card disclosure" aria-labelledby="disclosure">
      <h2 id="disclosure">Before you begin: what goes where</h2>
      <WhatGoesWhere />
      <button type="button" class="button button-main" onClick={() => void acceptDisclosure(Date.now())}>
        I agree
      </button>
      <p class="soft">Until you agree, nothing is fetched.</p>
    </section>
  );
}

function Connected(props: {
  spreadsheetId: string;
  title: string;
  use: StorageUse | undefined;
  setting: ConnectionSetting;
  onEdit: () => void;
}): JSX.Element {
  const { spreadsheetId, title, use, setting, onEdit } = props;
  const status = useStatus(spreadsheetId);
  return (
    <>
      <div class="connected">
        <StatusMark tone={status.tone} />
        <div class="connected-text">
          <h3>{title}</h3>
          <p>{status.headline}</p>
          <p class="soft">{setting.relayUrl}</p>
          {use ? <p class="soft">{useInWords(use)}</p> : null}
        </div>
      </div>
      <div class="buttons">
        <a class="button" href={browser.runtime.getURL(`/sidepanel.html?spreadsheet=${spreadsheetId}`)} target="_blank">
          Open the copy
        </a>
        <button type="button" class="button" onClick={onEdit}>
          Change
        </button>
        <RemoveButton spreadsheetId={spreadsheetId} title={title} />
      </div>
    </>
  );
}

/** Deleted data stays on the disk for a while: it is said, so that nobody wonders at what the browser counts. */
const useInWords = ({ contentBytes, historyBytes }: StorageUse): string =>
  `The copy takes ${bytesInWords(contentBytes)} and its history ${bytesInWords(historyBytes)}; on the disk up to three times as much for a while.`;

/** Under a name that no spreadsheet has there is a setting and no copy. */
async function isForgotten(spreadsheetId: string): Promise<boolean> {
  if (!spreadsheetIdSchema.safeParse(spreadsheetId).success) {
    await removeConnection(spreadsheetId);
    return true;
  }
  const answer: unknown = await browser.runtime.sendMessage({ kind: "forget", spreadsheetId } satisfies Ask);
  return typeof answer === "object" && answer !== null && "ok" in answer;
}

function RemoveButton({ spreadsheetId, title }: { spreadsheetId: string; title: string }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [hasFailed, setFailed] = useState(false);
  const remove = async (): Promise<void> => {
    setFailed(false);
    try {
      if (await isForgotten(spreadsheetId)) dialog.current?.close();
      else setFailed(true);
    } catch {
      setFailed(true);
    }
  };
  return (
    <>
      <button type="button" class="button button-danger" onClick={() => dialog.current?.showModal()}>
        Remove
      </button>
      <dialog ref={dialog} class="card" aria-labelledby={heading}>
        <h3 id={heading}>Remove “{title}”?</h3>
        <p>
          The token and the copy are deleted from this browser. The spreadsheet and the relay are not touched. To
          connect it again you need a token.
        </p>
        <p class="trouble" role="alert">
          {hasFailed ? "It could not be deleted, and is still here. Try again, or restart the browser." : ""}
        </p>
        <div class="buttons">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            Keep it
          </button>
          <button type="button" class="button button-danger" onClick={() => void remove()}>
            Remove it
          </button>
        </div>
      </dialog>
    </>
  );
}
