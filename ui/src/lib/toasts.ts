// Short messages about what just happened. Never more than four at once.
import { reactive } from 'vue';

export interface Toast {
  id: number;
  kind: 'done' | 'error';
  text: string;
  next: string;
}

export const toasts = reactive<Toast[]>([]);
const shownMax = 4;
const shownMs = 6_000;
let made = 0;

export function say(kind: Toast['kind'], text: string, next = ''): void {
  made += 1;
  const id = made;
  toasts.push({ id, kind, text, next });
  if (toasts.length > shownMax) toasts.shift();
  setTimeout(() => dismiss(id), shownMs);
}

export function sayError(error: unknown): void {
  const { message, next = '' } = error as Error & { next?: string };
  say('error', message, next);
}

export function dismiss(id: number): void {
  const at = toasts.findIndex(toast => toast.id === id);
  if (at >= 0) toasts.splice(at, 1);
}
