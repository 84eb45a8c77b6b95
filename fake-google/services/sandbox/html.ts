import { exception, enumOf, object, run } from "./host.ts";

const sandboxModes = enumOf(["EMULATED", "IFRAME", "NATIVE"]);
const frameModes = enumOf(["ALLOWALL", "DEFAULT"]);
const mimeTypes = enumOf(["ATOM", "CSV", "ICAL", "JAVASCRIPT", "JSON", "RSS", "TEXT", "VCARD", "XML"]);

function output(text: string) {
  let content = text;
  let title: string | null = null;
  let width: number | null = null;
  let height: number | null = null;
  const self = object("HtmlOutput", {
    getContent: () => content,
    setContent: (to: string) => {
      content = to;
      return self;
    },
    append: (more: string) => {
      content += more;
      return self;
    },
    getTitle: () => title,
    setTitle: (to: string) => {
      title = to;
      return self;
    },
    getWidth: () => width,
    setWidth: (to: number) => {
      width = to;
      return self;
    },
    getHeight: () => height,
    setHeight: (to: number) => {
      height = to;
      return self;
    },
    addMetaTag: () => self,
    setSandboxMode: () => self,
    setXFrameOptionsMode: () => self,
    setFaviconUrl: () => self,
  });
  return self;
}

export type HtmlOutput = ReturnType<typeof output>;

function fileOf(name: string): string {
  const text = run().htmlFiles[name.replace(/\.html$/, "")];
  if (text === undefined) throw exception(`No HTML file named ${name} was found.`);
  return text;
}

export const HtmlService = object("HtmlService", {
  SandboxMode: sandboxModes,
  XFrameOptionsMode: frameModes,
  createHtmlOutput: (html: string | { getDataAsString(): string } = "") =>
    output(typeof html === "string" ? html : html.getDataAsString()),
  createHtmlOutputFromFile: (name: string) => output(fileOf(name)),
});

function textOutput(text: string) {
  let content = text;
  let type = mimeTypes["TEXT"];
  const self = object("TextOutput", {
    getContent: () => content,
    setContent: (to: string) => {
      content = to;
      return self;
    },
    append: (more: string) => {
      content += more;
      return self;
    },
    getMimeType: () => type,
    setMimeType: (to: typeof type) => {
      type = to;
      return self;
    },
    downloadAsFile: () => self,
  });
  return self;
}

export const ContentService = object("ContentService", {
  MimeType: mimeTypes,
  createTextOutput: (text = "") => textOutput(String(text)),
});
