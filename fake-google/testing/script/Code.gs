// A small script, as somebody might write one: it tells a listener what its triggers are given and what it reads.
var WANTED = ["handleEdit", "handleChange"];

function onOpen(e) {
  SpreadsheetApp.getUi()
    .createMenu("Wire")
    .addItem("Show panel", "showSidebar")
    .addSeparator()
    .addItem("Say hello", "sayHello")
    .addToUi();
}

function sayHello() {
  SpreadsheetApp.getUi().alert("Hello from the script");
}

function showSidebar() {
  SpreadsheetApp.getUi().showSidebar(HtmlService.createHtmlOutputFromFile("Sidebar").setTitle("Wire"));
}

function ui_connect(connectionString) {
  if (connectionString.indexOf("http") !== 0) return { ok: false, message: "That is not an address." };
  PropertiesService.getDocumentProperties().setProperty("url", connectionString);
  ScriptApp.getProjectTriggers().forEach(function (t) {
    if (WANTED.indexOf(t.getHandlerFunction()) >= 0) ScriptApp.deleteTrigger(t);
  });
  ScriptApp.newTrigger("handleEdit").forSpreadsheet(SpreadsheetApp.getActive()).onEdit().create();
  ScriptApp.newTrigger("handleChange").forSpreadsheet(SpreadsheetApp.getActive()).onChange().create();
  ScriptApp.newTrigger("handleTick").timeBased().everyMinutes(10).create();
  return { ok: true, triggers: ScriptApp.getProjectTriggers().length };
}

function handleEdit(e) {
  const values = e.range.getValues();
  tell({ kind: "edit", event: e, values, display: e.range.getDisplayValues(), a1: e.range.getA1Notation() });
}

function handleChange(e) {
  tell({ kind: "change", event: e });
}

function handleTick(e) {
  tell({ kind: "tick", year: e.year, uid: e.triggerUid });
}

function tell(message) {
  const url = PropertiesService.getDocumentProperties().getProperty("url");
  UrlFetchApp.fetch(url, {
    method: "post",
    contentType: "application/json",
    payload: Utilities.newBlob(JSON.stringify(message)).getBytes(),
    muteHttpExceptions: true,
  });
}

// Evaluates a piece of script, so that tests can ask for anything. (Function sees the same globals.)
function evaluate(source) {
  return new Function(source)();
}

function doPost(e) {
  if (e.postData.contents === "fail") throw new Error("Asked to fail");
  return ContentService.createTextOutput(
    JSON.stringify({ got: e.postData.contents, parameter: e.parameter, id: SpreadsheetApp.getActive().getId() }),
  ).setMimeType(ContentService.MimeType.JSON);
}

function hidden_() {
  return "secret";
}

function ui_echo(value) {
  return { echo: value };
}
