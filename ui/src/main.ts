import './app.css';

import { mount } from 'svelte';

import App from './App.svelte';
import { desktop, inDesktop, type Api } from './lib/api';
import { Iris } from './lib/iris.svelte';

/** The real core in the desktop app; made-up data only in a development or demo build. */
async function core(): Promise<Api> {
  if (!inDesktop() && (import.meta.env.DEV || import.meta.env.MODE === 'demo')) {
    const { demo } = await import('./lib/demo');
    return demo();
  }
  return desktop;
}

const target = document.getElementById('app');
if (target) mount(App, { target, props: { iris: new Iris(await core()) } });
