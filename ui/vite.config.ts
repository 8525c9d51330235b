import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

/** The policy of the real window; the preview serves it too, so that a breach shows early. */
const CSP =
  "default-src 'self'; connect-src 'self' ipc: http://ipc.localhost; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

export default defineConfig(({ mode }) => ({
  plugins: [svelte()],
  // Under vitest, Svelte must resolve to its browser build: components are mounted.
  resolve: mode === 'test' ? { conditions: ['browser'] } : {},
  build: {
    // The oldest web view we meet (WebKitGTK of Debian 12) runs this as it is.
    target: 'es2022',
    modulePreload: { polyfill: false },
  },
  // The icon stands beside the window's folder, where the other surfaces use it too.
  server: { host: '127.0.0.1', port: 5173, strictPort: true, fs: { allow: ['..'] } },
  preview: { host: '127.0.0.1', headers: { 'Content-Security-Policy': CSP } },
  test: { environment: 'happy-dom', include: ['test/**/*.test.ts'] },
}));
