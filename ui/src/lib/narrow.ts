// Whether the window is as narrow as a phone's. Never a second place for the width at which pages change.
import { ref } from 'vue';

const query = matchMedia('(max-width: 760px)');
export const narrow = ref(query.matches);
query.addEventListener('change', () => (narrow.value = query.matches));
