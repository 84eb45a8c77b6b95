/** Installable triggers of one script: who made them, what is waiting for them, and when a clock is due. */
import type { Clock } from "../clock/clock.ts";
import type { Delivery } from "../hostile/hostile.ts";
import type { EventFacts } from "../services/services.ts";

export { lineFor, profileNamed, profileSchema, type Profile } from "./profile.ts";

export type EventType = "ON_EDIT" | "ON_CHANGE" | "ON_OPEN" | "CLOCK" | "ON_FORM_SUBMIT";

export type Trigger = {
  /** A decimal number beyond 2^53, as text. */
  readonly uid: string;
  readonly owner: string;
  readonly handler: string;
  readonly eventType: EventType;
  readonly everyMinutes?: number | undefined;
  /** When a clock is due next, by the fake's clock. */
  dueAt?: number | undefined;
  isDisabled?: boolean;
};

/** Room for the events of one trigger. */
type Room = {
  readonly running: number;
  readonly waiting: number;
  /** Whether events on their way take up room as well. */
  readonly isStrict: boolean;
};

export type TriggersNeeds = {
  readonly clock: Clock;
  readonly random: () => number;
  readonly room: () => Room;
  /** Whether an event that finds no room is really lost. */
  readonly isLost: (key: string) => boolean;
  /** When the handler starts for an event; without an event's key it is a clock that is due. */
  readonly deliveries: (trigger: Trigger, eventKey: string | undefined) => readonly Delivery[];
  /** Runs the handler; resolves at its end. */
  readonly start: (trigger: Trigger, event: EventFacts, key: string) => Promise<void>;
  readonly onDropped: (trigger: Trigger) => void;
};

export const maxTriggersPerUser = 20;

type Waiting = { readonly event: EventFacts; readonly key: string };
type Queue = { running: number; onTheWay: number; readonly pending: Waiting[] };

export function createTriggers(needs: TriggersNeeds) {
  const list: Trigger[] = [];
  const queues = new Map<string, Queue>();
  const onTheWay = new Set<() => void>();
  const idleWaiters = new Set<() => void>();

  function create(plan: {
    owner: string;
    handler: string;
    eventType: EventType;
    everyMinutes?: number | undefined;
    at?: number | undefined;
  }): Trigger {
    if (list.filter((one) => one.owner === plan.owner).length >= maxTriggersPerUser) {
      throw new Error(
        "This script has too many triggers. Triggers must be deleted from the script before more can be added.",
      );
    }
    const low = Math.floor(needs.random() * 1e9);
    const high = Math.floor(needs.random() * 8e8) + 1e9;
    const uid = `${high}${String(low).padStart(9, "0")}`;
    const dueAt =
      plan.at ?? (plan.everyMinutes === undefined ? undefined : needs.clock.now() + plan.everyMinutes * 60_000);
    const trigger: Trigger = {
      uid,
      owner: plan.owner,
      handler: plan.handler,
      eventType: plan.eventType,
      everyMinutes: plan.everyMinutes,
      dueAt,
    };
    list.push(trigger);
    return trigger;
  }

  function remove(uid: string, owner: string): boolean {
    const at = list.findIndex((one) => one.uid === uid && one.owner === owner);
    if (at < 0) return false;
    list.splice(at, 1);
    return true;
  }

  /** Hands an event to every trigger of its type, as faithfully as the profile lets it. */
  function fire(
    eventType: EventType,
    eventKey: string | undefined,
    eventFor: (trigger: Trigger) => EventFacts,
    laterMs = 0,
  ): void {
    for (const trigger of list.filter((one) => one.eventType === eventType))
      send(trigger, eventFor(trigger), needs.deliveries(trigger, eventKey), laterMs);
  }

  function send(trigger: Trigger, event: EventFacts, deliveries: readonly Delivery[], laterMs = 0): void {
    const queue = queues.get(trigger.uid) ?? { running: 0, onTheWay: 0, pending: [] };
    queues.set(trigger.uid, queue);
    for (const { key, delayMs } of deliveries) {
      const { running, waiting, isStrict } = needs.room();
      const ms = delayMs + laterMs;
      // Under virtual time one run at a time is begun, so that one seed is one course of things.
      const isNow = ms <= 0 && !needs.clock.isVirtual();
      const isFull = queue.onTheWay + queue.pending.length >= waiting;
      if (isStrict && isFull && !(isNow && queue.running < running) && needs.isLost(key)) needs.onDropped(trigger);
      else if (isNow) arrive(trigger, queue, { event, key });
      else {
        queue.onTheWay++;
        const cancel = needs.clock.after(
          ms,
          `${trigger.handler} to start`,
          () => {
            queue.onTheWay--;
            onTheWay.delete(cancel);
            arrive(trigger, queue, { event, key });
          },
          true,
        );
        onTheWay.add(cancel);
      }
    }
  }

  function arrive(trigger: Trigger, queue: Queue, one: Waiting): void {
    const { running, waiting, isStrict } = needs.room();
    if (!list.includes(trigger)) tellIfIdle();
    else if (queue.running < running) void start(trigger, queue, one);
    // Where the room is strict, whether there is any was asked on the way.
    else if (isStrict || queue.pending.length < waiting) queue.pending.push(one);
    else {
      needs.onDropped(trigger);
      tellIfIdle();
    }
  }

  async function start(trigger: Trigger, queue: Queue, one: Waiting): Promise<void> {
    queue.running++;
    await needs.start(trigger, one.event, one.key);
    queue.running--;
    if (!list.includes(trigger)) queue.pending.length = 0;
    const next = queue.pending.shift();
    if (next) void start(trigger, queue, next);
    else tellIfIdle();
  }

  function tellIfIdle(): void {
    if (isIdle()) for (const waiter of idleWaiters) waiter();
  }

  const isIdle = (): boolean =>
    onTheWay.size === 0 && [...queues.values()].every((queue) => queue.running === 0 && queue.pending.length === 0);

  /** Starts every clock that is due; one that missed several ticks runs once. */
  function tick(): void {
    const now = needs.clock.now();
    for (const trigger of list.slice()) {
      if (trigger.eventType !== "CLOCK" || trigger.dueAt === undefined || trigger.dueAt > now) continue;
      const periodMs = (trigger.everyMinutes ?? 0) * 60_000;
      trigger.dueAt =
        periodMs === 0 ? undefined : trigger.dueAt + Math.ceil((now - trigger.dueAt + 1) / periodMs) * periodMs;
      const date = new Date(now);
      const week = Math.ceil(
        ((Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) -
          Date.UTC(date.getUTCFullYear(), 0, 1)) /
          86_400_000 +
          1) /
          7,
      );
      const at = [
        date.getUTCFullYear(),
        date.getUTCMonth() + 1,
        date.getUTCDate(),
        date.getUTCHours(),
        date.getUTCMinutes(),
        date.getUTCSeconds(),
        ((date.getUTCDay() + 6) % 7) + 1,
        week,
      ];
      send(trigger, { kind: "clock", triggerUid: trigger.uid, at }, needs.deliveries(trigger, undefined));
    }
  }

  return {
    create,
    remove,
    fire,
    tick,
    /** When a clock is due next. */
    nextTickAt: (): number | undefined => {
      const due = list.flatMap(({ eventType, dueAt }) => (eventType === "CLOCK" && dueAt !== undefined ? [dueAt] : []));
      return due.length === 0 ? undefined : Math.min(...due);
    },
    all: (): readonly Trigger[] => list,
    ownedBy: (owner: string): readonly Trigger[] => list.filter((one) => one.owner === owner),
    isIdle,
    /** Resolves when nothing runs or waits. */
    async idle(): Promise<void> {
      if (isIdle()) return;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          idleWaiters.delete(done);
          resolve();
        };
        idleWaiters.add(done);
      });
    },
    stop(): void {
      for (const cancel of onTheWay) cancel();
      onTheWay.clear();
      list.length = 0;
      for (const queue of queues.values()) queue.pending.length = 0;
    },
  };
}
