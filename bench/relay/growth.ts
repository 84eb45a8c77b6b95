/** What becomes of the costs as everything grows, as small plots in one picture of the docs. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { init } from "echarts";
import { fillSheet } from "./filling.ts";
import { runFanOut } from "./fan-out.ts";
import { spread, type Figures, type Scale } from "./figures.ts";
import { residentBytes } from "./idle.ts";
import { post } from "./ingest.ts";
import { fanOutPeers } from "./peers.ts";
import { createPosts, startProduct } from "./product.ts";
import { resumeOnce, startFilledRelay } from "./resume.ts";
import type { Workshop } from "./processes.ts";

/** In the docs. */
const GROWTH_PLOT = "relay-growth.svg";

type Curve = { readonly title: string; readonly against: string; readonly points: [number, number][] };
/** Sizes, and what each cost, round by round. */
type Measure = (workshop: Workshop, scale: Scale) => AsyncGenerator<[size: number, costs: number[]]>;

async function* ingestBySpreadsheets(
  workshop: Workshop,
  scale: Scale,
): AsyncGenerator<[size: number, costs: number[]]> {
  for (const sheets of scale.isQuick ? [1, 30, 300] : [1, 10, 100, 1_000]) {
    yield [sheets, await ingestCosts(workshop, scale, { sheets })];
  }
}

async function* ingestByTabs(workshop: Workshop, scale: Scale): AsyncGenerator<[size: number, costs: number[]]> {
  for (const tabs of scale.isQuick ? [1, 10, 50] : [1, 10, 100]) {
    yield [tabs, await ingestCosts(workshop, scale, { sheets: 20, tabs })];
  }
}

async function ingestCosts(
  workshop: Workshop,
  scale: Scale,
  options: { sheets: number; tabs?: number },
): Promise<number[]> {
  const product = await startProduct(workshop, options);
  const next = createPosts(product.sheets, 1);
  const cost: number[] = [];
  for (let round = 0; round <= scale.rounds; round += 1) {
    // Programs in JavaScript get faster for some fifty thousand posts: the first round is to be all of that.
    const posts = scale.isQuick ? 1_000 : round === 0 ? 48_000 : 4_000;
    const result = await post(workshop, { ...product, as: "http" }, next(posts));
    if (round > 0) cost.push(Number(result["serverCpuUs"]) / posts);
  }
  await product.stop();
  return cost;
}

async function* fanOutByWatchers(workshop: Workshop, scale: Scale): AsyncGenerator<[size: number, costs: number[]]> {
  const peer = await fanOutPeers.find(({ name }) => name === "sheetwire")?.start(workshop);
  if (!peer) throw new Error("The relay is not among the peers.");
  for (const watchers of scale.isQuick ? [10, 100, 1_000] : [10, 100, 1_000, 5_000]) {
    const cost: number[] = [];
    const messages = Math.max(40, Math.min(400, Math.round(40_000 / watchers)));
    for (let round = 0; round < scale.rounds; round += 1) {
      const alone = await runFanOut(workshop, peer, 1, 1, messages);
      const many = await runFanOut(workshop, peer, watchers, 1, messages);
      cost.push((Number(many["serverCpuUs"]) - Number(alone["serverCpuUs"])) / messages / (watchers - 1));
    }
    yield [watchers, cost];
  }
  await peer.stop();
}

async function* resumeByLength(workshop: Workshop, scale: Scale): AsyncGenerator<[size: number, costs: number[]]> {
  for (const changes of scale.isQuick ? [1_000, 10_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000]) {
    const running = await startFilledRelay(workshop, changes);
    const times: number[] = [];
    for (let round = 0; round <= scale.rounds; round += 1) {
      const result = await resumeOnce(workshop, running, changes);
      if (round > 0) times.push(Number(result["ms"]));
    }
    await running.stop();
    yield [changes, times];
  }
}

async function* memoryBySheet(workshop: Workshop, scale: Scale): AsyncGenerator<[size: number, costs: number[]]> {
  for (const cells of scale.isQuick ? [20_000, 200_000, 1_000_000] : [20_000, 200_000, 2_000_000, 10_000_000]) {
    const product = await startProduct(workshop, {
      sheets: 1,
      isInstalled: false,
      fill: (log, { spreadsheetId }) => fillSheet(log, spreadsheetId, cells / 20),
    });
    const before = residentBytes(product.pid);
    // Whoever asks for the sheet makes the relay hold it.
    const [sheet] = product.sheets;
    const answer = await fetch(`${product.url}/v1/spreadsheets/${sheet?.spreadsheetId}/snapshot`, {
      headers: { authorization: `Bearer ${sheet?.token}` },
    });
    if (!answer.ok || !answer.body) throw new Error(`The snapshot was answered ${answer.status}.`);
    for await (const _part of answer.body);
    yield [cells, [(residentBytes(product.pid) - before) / 1_048_576]];
    await product.stop();
  }
}

const measures: Record<string, { title: string; against: string; unit: string; of: Measure }> = {
  ingest: {
    title: "Server CPU a post, µs",
    against: "spreadsheets",
    unit: "us of server CPU a post",
    of: ingestBySpreadsheets,
  },
  tabs: {
    title: "Server CPU a post, µs",
    against: "sheets in each of 20 spreadsheets",
    unit: "us of server CPU a post",
    of: ingestByTabs,
  },
  "fan-out": {
    title: "Server CPU a delivery, µs",
    against: "watchers",
    unit: "us of server CPU a delivery",
    of: fanOutByWatchers,
  },
  resume: { title: "Resume of the whole log, ms", against: "changes in the log", unit: "ms", of: resumeByLength },
  memory: { title: "Resident memory for one sheet, MB", against: "cells", unit: "MB", of: memoryBySheet },
};

export async function benchGrowth(workshop: Workshop, scale: Scale, figures: Figures): Promise<void> {
  const curves: Curve[] = [];
  for (const [name, { title, against, unit, of }] of Object.entries(measures)) {
    const points: [number, number][] = [];
    for await (const [size, costs] of of(workshop, { ...scale, rounds: 3 })) {
      const cost = spread(costs);
      points.push([size, cost.median]);
      figures.add({
        question: `growth: ${name}, ${size.toLocaleString("en")} ${against}`,
        who: "sheetwire",
        unit,
        ...cost,
      });
    }
    curves.push({ title, against, points });
  }
  if (scale.isWritten) writeFileSync(join(import.meta.dirname, "..", "..", "docs", GROWTH_PLOT), plotOf(curves));
}

const INK = "#768390";
const LINE = "#2f81d8";

/** One picture with a grid for each curve. Sizes and costs both grow by factors, so both axes do; a straight line that rises with the size is linear. */
function plotOf(curves: readonly Curve[]): string {
  const lines = Math.ceil(curves.length / 2);
  const chart = init(null, null, { renderer: "svg", ssr: true, width: 900, height: 310 * lines });
  const place = (at: number) => ({
    left: at % 2 === 0 ? 70 : 520,
    top: 60 + 310 * Math.floor(at / 2),
    width: 340,
    height: 190,
  });
  chart.setOption({
    animation: false,
    textStyle: { color: INK, fontFamily: "system-ui, sans-serif" },
    title: curves.map(({ title }, at) => ({
      text: title,
      left: place(at).left,
      top: place(at).top - 40,
      textStyle: { color: INK, fontSize: 14, fontWeight: "bold" },
    })),
    grid: curves.map((_, at) => place(at)),
    xAxis: curves.map(({ against, points }, at) => ({
      gridIndex: at,
      type: "log",
      name: against,
      nameLocation: "middle",
      nameGap: 26,
      min: points[0]?.[0],
      max: points.at(-1)?.[0],
      axisLine: { lineStyle: { color: INK } },
      axisLabel: { color: INK, formatter: (value: number) => compact.format(value) },
      splitLine: { show: false },
    })),
    yAxis: curves.map(({ points }, at) => ({
      gridIndex: at,
      type: "log",
      ...bounds(points.map(([, cost]) => cost)),
      axisLabel: { color: INK, formatter: (value: number) => compact.format(value) },
      splitLine: { lineStyle: { color: INK, opacity: 0.25 } },
    })),
    series: curves.map(({ points }, at) => ({
      type: "line",
      xAxisIndex: at,
      yAxisIndex: at,
      data: points,
      symbol: "circle",
      symbolSize: 8,
      itemStyle: { color: LINE },
      lineStyle: { color: LINE, width: 2 },
      label: {
        show: true,
        position: "top",
        offset: [14, 0],
        color: INK,
        formatter: ({ value }: { value: number[] }) => compact.format(value[1] ?? 0),
      },
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** Whole powers of ten around the values, at least two apart, so that noise does not look like a slope. */
function bounds(values: readonly number[]): { min: number; max: number } {
  const positive = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...positive, 1e9)));
  const high = Math.ceil(Math.log10(Math.max(...positive, 1e-3)) + 0.1);
  return { min: 10 ** low, max: 10 ** Math.max(high, low + 2) };
}
