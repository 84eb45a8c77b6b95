/** Installable triggers of one script: who made them, what is waiting for them, and when a clock is due. */
import type { EventFacts } from "../services/services.ts";
import { fateOf, type Profile } from "./profile.ts";

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

export type TriggersNeeds = {
  readonly now: () => number;
  readonly random: () => number;
  readonly profile: () => Profile;
  /** Runs the handler; resolves at its end. */
  readonly start: (trigger: Trigger, event: EventFacts) => Promise<void>;
  readonly onDropped: (trigger: Trigger) => void;
};

export const maxTriggersPerUser = 20;

type Queue = { running: number; pending: EventFacts[] };

export function createTriggers(needs: TriggersNeeds) {
  const list: Trigger[] = [];
  const queues = new Map<string, Queue>();
  const onTheWay = new Set<NodeJS.Timeout>();
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
    const dueAt = plan.at ?? (plan.everyMinutes === undefined ? undefined : needs.now() + plan.everyMinutes * 60_000);
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
  function fire(eventType: EventType, eventFor: (trigger: Trigger) => EventFacts): void {
    for (const trigger of list.filter((one) => one.eventType === eventType)) send(trigger, eventFor(trigger));
  }

  function send(trigger: Trigger, event: EventFacts): void {
    for (const delayMs of fateOf(needs.profile(), needs.random).delaysMs) {
      if (delayMs <= 0) {
        arrive(trigger, event);
        continue;
      }
      const timer = setTimeout(() => {
        onTheWay.delete(timer);
        arrive(trigger, event);
      }, delayMs);
      onTheWay.add(timer);
    }
  }

  function arrive(trigger: Trigger, event: EventFacts): void {
    const { pendingPerTrigger, runningPerTrigger } = needs.profile();
    const queue = queues.get(trigger.uid) ?? { running: 0, pending: [] };
    queues.set(trigger.uid, queue);
    if (queue.running < runningPerTrigger) void start(trigger, queue, event);
    else if (queue.pending.length < pendingPerTrigger) queue.pending.push(event);
    else needs.onDropped(trigger);
  }

  async function start(trigger: Trigger, queue: Queue, event: EventFacts): Promise<void> {
    queue.running++;
    await needs.start(trigger, event);
    queue.running--;
    const next = queue.pending.shift();
    if (next && list.includes(trigger)) void start(trigger, queue, next);
    else if (isIdle()) for (const waiter of idleWaiters) waiter();
  }

  const isIdle = (): boolean =>
    onTheWay.size === 0 && [...queues.values()].every((queue) => queue.running === 0 && queue.pending.length === 0);

  /** Starts every clock that is due; one that missed several ticks runs once. */
  function tick(): void {
    const now = needs.now();
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
      send(trigger, { kind: "clock", triggerUid: trigger.uid, at });
    }
  }

  return {
    create,
    remove,
    fire,
    tick,
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
      for (const timer of onTheWay) clearTimeout(timer);
      onTheWay.clear();
      list.length = 0;
      for (const queue of queues.values()) queue.pending.length = 0;
    },
  };
}
