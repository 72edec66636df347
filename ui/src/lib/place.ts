// Where the reader is: the page in the address, filters for the session. A reload comes back to the same place. Never keeps a key.
import { ref, watch, type Ref } from 'vue';

function read(): { page: string; query: URLSearchParams } {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return { page: path, query: new URLSearchParams(query) };
}

export const place = ref(read());
addEventListener('hashchange', () => (place.value = read()));

export function kept(name: string, start: string): Ref<string> {
  const key = `bigo.place.${name}`;
  const value = ref(sessionStorage.getItem(key) ?? start);
  watch(value, text => sessionStorage.setItem(key, text));
  return value;
}
