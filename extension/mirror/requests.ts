/** IndexedDB by promises, and nothing more: its requests and transactions as they are. */
export function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("A request failed."));
  });
}

/** Resolves when all of a transaction is in the store; rejects with the reason why nothing of it is. */
export function committed(transaction: IDBTransaction): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new DOMException("It was given up.", "AbortError"));
  });
  // Whoever waits for a request that failed has the reason already, and does not come to wait for this.
  done.catch(() => undefined);
  return done;
}

/** Ends a transaction in which something went wrong; nothing of it is kept. */
export function giveUp(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch (error) {
    // It has ended by itself.
    if (!(error instanceof DOMException && error.name === "InvalidStateError")) throw error;
  }
}
