// Ends this process soon after its parent is gone, however the parent ended. Never outlives it by two seconds.

const pollMs = 400;

/** `onGone` is called once. The timer keeps nobody alive. */
export function watchParent(parentPid: number, onGone: () => void): { stop(): void } {
  const isDirect = process.ppid === parentPid;
  const timer = setInterval(() => {
    if (isDirect ? process.ppid === parentPid : isAlive(parentPid)) return;
    clearInterval(timer);
    onGone();
  }, pollMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
