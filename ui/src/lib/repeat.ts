// What a page looks at again and again while it is open. Never after the page was left.
import { onBeforeUnmount, onMounted } from 'vue';

/** Once the page stands, and then every `everyMs`. */
export function repeatWhileOpen(look: () => Promise<void>, everyMs: number): void {
  let timer: ReturnType<typeof setInterval> | undefined;
  onMounted(() => {
    void look();
    timer = setInterval(() => void look(), everyMs);
  });
  onBeforeUnmount(() => clearInterval(timer));
}
