/** The menu, the panel, the dialogs. `addMenu` runs with next to no rights, so it touches nothing else. */

export function addMenu(): void {
  SpreadsheetApp.getUi()
    .createMenu("Sheetwire")
    .addItem("Connect…", "showConnect")
    .addItem("Show panel", "showSidebar")
    .addItem("Check now", "checkNow")
    .addSeparator()
    .addItem("Disconnect", "disconnect")
    .addToUi();
}

/** Asks for the rights that the script needs, all at once, before anything is half done. */
export function askForRights(): void {
  ScriptApp.requireAllScopes?.(ScriptApp.AuthMode.FULL);
}

export function openSidebar(): void {
  SpreadsheetApp.getUi().showSidebar(HtmlService.createHtmlOutputFromFile("Sidebar").setTitle("Sheetwire"));
}

export function openConnectDialog(): void {
  const page = HtmlService.createHtmlOutputFromFile("Connect").setWidth(460).setHeight(330);
  SpreadsheetApp.getUi().showModalDialog(page, "Connect to Sheetwire");
}

/** A short word in the corner; it goes away by itself. */
export const toast = (message: string): void => SpreadsheetApp.getActive().toast(message, "Sheetwire", 8);

export function alert(message: string): void {
  const ui = SpreadsheetApp.getUi();
  ui.alert("Sheetwire", message, ui.ButtonSet.OK);
}

/** Whether the person means it. */
export function confirm(question: string): boolean {
  const ui = SpreadsheetApp.getUi();
  return ui.alert("Sheetwire", question, ui.ButtonSet.YES_NO) === ui.Button.YES;
}

export const jsonAnswer = (value: unknown): GoogleAppsScript.Content.TextOutput =>
  ContentService.createTextOutput(JSON.stringify(value)).setMimeType(ContentService.MimeType.JSON);
