// How the page is built: relative addresses, so that it works at `/` and at `/ui/`. Never inlines anything: the policy forbids it.
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  plugins: [vue({ features: { optionsAPI: false } })],
  define: { __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false' },
  build: {
    target: 'es2022',
    // Colours are written once, with light-dark().
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
    emptyOutDir: true,
  },
  server: { proxy: { '/manager': 'http://127.0.0.1:11434', '/api': 'http://127.0.0.1:8080' } },
});
