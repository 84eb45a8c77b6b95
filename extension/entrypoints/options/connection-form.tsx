import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { spreadsheetIdSchema } from "@sheetwire/shared/protocol";
import { spreadsheetIdIn } from "../../heartbeat/heartbeat.ts";
import {
  connectionSettingSchema,
  readRelayUrl,
  tryConnection,
  type ConnectionSetting,
} from "../../settings/settings.ts";

type Problems = { spreadsheet?: string; relayUrl?: string; token?: string };
type Read = { ok: true; spreadsheetId: string; setting: ConnectionSetting } | { ok: false; problems: Problems };

/** Reads what was typed: the spreadsheet by its id or its address, the relay's address, the token. */
export function readForm(typed: { spreadsheet: string; relayUrl: string; token: string }): Read {
  const problems: Problems = {};
  const id = spreadsheetIdIn(typed.spreadsheet.trim()) ?? typed.spreadsheet.trim();
  if (!spreadsheetIdSchema.safeParse(id).success) {
    problems.spreadsheet = "Paste the address of the spreadsheet, or the id in it.";
  }
  const url = readRelayUrl(typed.relayUrl);
  if (!url.ok) problems.relayUrl = url.why;
  const token = typed.token.trim();
  if (!connectionSettingSchema.shape.token.safeParse(token).success) {
    problems.token = "Paste the token you were given; it has at least 16 characters.";
  }
  if (Object.keys(problems).length > 0 || !url.ok) return { ok: false, problems };
  return { ok: true, spreadsheetId: id, setting: { relayUrl: url.url, token } };
}

export function ConnectionForm(props: {
  spreadsheetId?: string;
  setting?: ConnectionSetting;
  onSave: (spreadsheetId: string, setting: ConnectionSetting) => Promise<void>;
  onCancel?: () => void;
}): JSX.Element {
  const [spreadsheet, setSpreadsheet] = useState(props.spreadsheetId ?? "");
  const [relayUrl, setRelayUrl] = useState(props.setting?.relayUrl ?? "");
  const [token, setToken] = useState(props.setting?.token ?? "");
  const [problems, setProblems] = useState<Problems>({});
  const [note, setNote] = useState<{ isGood: boolean; words: string }>();
  const [isBusy, setBusy] = useState(false);

  const act = async (what: "test" | "save"): Promise<void> => {
    setNote(undefined);
    const read = readForm({ spreadsheet, relayUrl, token });
    setProblems(read.ok ? {} : read.problems);
    if (!read.ok) return;
    setBusy(true);
    const { spreadsheetId, setting } = read;
    try {
      if (what === "save") {
        await props.onSave(spreadsheetId, setting);
        if (props.spreadsheetId === undefined) {
          setSpreadsheet("");
          setToken("");
        }
        setNote({ isGood: true, words: "Saved. Open the spreadsheet: the copy is fetched now." });
      } else {
        const trial = await tryConnection({ spreadsheetId, ...setting }, (url, init) => fetch(url, init));
        setNote(
          trial.ok
            ? { isGood: true, words: "The relay answers and the token is good." }
            : { isGood: false, words: trial.words },
        );
      }
    } catch {
      setNote({ isGood: false, words: "This could not be saved in the browser. Please try again." });
    } finally {
      setBusy(false);
    }
  };

  return (
    <form
      class="form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void act("save");
      }}
    >
      <Field
        label="Spreadsheet"
        hint="Its address, or the id in it"
        value={spreadsheet}
        onInput={setSpreadsheet}
        problem={problems.spreadsheet}
        isFixed={props.spreadsheetId !== undefined}
      />
      <Field
        label="Relay address"
        hint="For example https://relay.example.org"
        value={relayUrl}
        onInput={setRelayUrl}
        problem={problems.relayUrl}
      />
      <Field
        label="Token"
        hint="From whoever runs the relay"
        value={token}
        onInput={setToken}
        problem={problems.token}
        isSecret
      />
      <div class="buttons">
        <button type="submit" class="button button-main" disabled={isBusy}>
          Save
        </button>
        <button type="button" class="button" disabled={isBusy} onClick={() => void act("test")}>
          Test connection
        </button>
        {props.onCancel ? (
          <button type="button" class="button" onClick={props.onCancel}>
            Cancel
          </button>
        ) : null}
      </div>
      <p class={`note${note?.isGood === false ? " trouble" : ""}`} role="status">
        {note ? `${note.isGood ? "✓" : "!"} ${note.words}` : ""}
      </p>
    </form>
  );
}

function Field(props: {
  label: string;
  hint: string;
  value: string;
  onInput: (value: string) => void;
  problem: string | undefined;
  isSecret?: boolean;
  isFixed?: boolean;
}): JSX.Element {
  const id = useId();
  const common = {
    id,
    class: "field",
    autocomplete: "off",
    spellcheck: false,
    readOnly: props.isFixed ?? false,
    placeholder: props.hint,
    value: props.value,
    "aria-invalid": props.problem !== undefined,
    "aria-describedby": `${id}-problem`,
    onInput: (event: { currentTarget: HTMLInputElement }) => props.onInput(event.currentTarget.value),
  } as const;
  return (
    <div class="labelled">
      <label for={id}>{props.label}</label>
      {props.isSecret ? <input {...common} type="password" /> : <input {...common} type="text" />}
      <p id={`${id}-problem`} class="trouble">
        {props.problem}
      </p>
    </div>
  );
}
